package testpages

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fence is a block of a page: what it is indented by, its language, its text.
var fence = regexp.MustCompile("(?ms)^( *)```(\\w*)\n(.*?)^ *```$")

// Page is a page, or a part of one.
type Page struct {
	t    testing.TB
	name string
	text string
}

// Block is what stands between two fences, without what they are indented by.
type Block struct {
	Language string // "" if the page names none
	Text     string // ends with a line end
}

// Read returns the page with that path.
func Read(t testing.TB, path string) *Page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &Page{t, path, string(text)}
}

// Text returns the page as it stands.
func (p *Page) Text() string { return p.text }

// Part returns what stands under a heading, such as "## Ask it", up to the next one of its
// level.
func (p *Page) Part(heading string) *Page {
	p.t.Helper()
	_, text, ok := strings.Cut("\n"+p.text, "\n"+heading+"\n")
	if !ok {
		p.t.Fatalf("%s has no %q", p.name, heading)
	}
	level, _, _ := strings.Cut(heading, " ")
	text, _, _ = strings.Cut(text, "\n"+level+" ")
	return &Page{p.t, p.name + ", " + heading, text}
}

// Blocks returns the blocks of these languages, or all if none is named, in their order.
func (p *Page) Blocks(languages ...string) (all []Block) {
	for _, m := range fence.FindAllStringSubmatch(p.text, -1) {
		if len(languages) == 0 || slices.Contains(languages, m[2]) {
			all = append(all, Block{m[2], strings.ReplaceAll("\n"+m[3], "\n"+m[1], "\n")[1:]})
		}
	}
	return all
}

// After returns the text of the first block behind a text, which the page has once.
func (p *Page) After(text string) string {
	p.t.Helper()
	before, behind, ok := strings.Cut(p.text, text)
	if !ok || strings.Contains(before+behind, text) {
		p.t.Fatalf("%s does not have %q once", p.name, text)
	}
	blocks := (&Page{p.t, p.name, behind}).Blocks()
	if len(blocks) == 0 {
		p.t.Fatalf("%s has no block behind %q", p.name, text)
	}
	return blocks[0].Text
}

// ByComment returns the texts of the blocks of a language without their first lines, by what
// these say behind the mark of a comment. Every block of the language has such a line of its own.
func (p *Page) ByComment(language, mark string) map[string]string {
	p.t.Helper()
	all := map[string]string{}
	blocks := p.Blocks(language)
	for _, b := range blocks {
		first, rest, _ := strings.Cut(b.Text, "\n")
		if says, is := strings.CutPrefix(first, mark+" "); is {
			all[says] = rest
		}
	}
	if len(all) != len(blocks) {
		p.t.Fatalf("%s has %d blocks of %s, of which %d have a first line of their own", p.name, len(blocks), language, len(all))
	}
	return all
}
