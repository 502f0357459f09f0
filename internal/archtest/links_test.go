package archtest

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

var (
	fenced     = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	inlineCode = regexp.MustCompile("`[^`\n]*`")
	linked     = regexp.MustCompile(`\]\(\s*<?([^)\s>]+)>?[^)]*\)|(?:href|src|srcset)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.*?)[ #]*$`)
	headLink   = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// Every relative link of a Markdown page leads to a file or folder of the
// repository and, where it names an anchor, to a heading of that page. Links
// that leave the repository are not asked for.
func TestLinksOfPagesLeadSomewhere(t *testing.T) {
	pages := markdownPages(t)
	anchors := map[string]map[string]bool{}
	for path, text := range pages {
		anchors[path] = anchorsOf(text)
	}
	for path, text := range pages {
		for _, link := range linksOf(text) {
			if problem := brokenLink(path, link, anchors); problem != "" {
				t.Errorf("%s: link %q: %s", path, link, problem)
			}
		}
	}
}

// TestEveryPageIsInTheIndex fails when docs/README.md leaves a page of docs out.
func TestEveryPageIsInTheIndex(t *testing.T) {
	pages := markdownPages(t)
	listed := map[string]bool{filepath.Join("docs", "README.md"): true}
	for _, link := range linksOf(pages[filepath.Join("docs", "README.md")]) {
		listed[filepath.Join("docs", filepath.FromSlash(link))] = true
	}
	for path := range pages {
		if filepath.Dir(path) == "docs" && !listed[path] {
			t.Errorf("docs/README.md has no link to %s", path)
		}
	}
}

// The landing page stays one that can be read at a glance.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(markdownPages(t)["README.md"], "\n"); lines > 150 {
		t.Errorf("README.md has %d lines, of 150 at most: move details to docs", lines)
	}
}

func TestBrokenLinksAreFound(t *testing.T) {
	page := "# One\n[a](#one) [b](#two) [c](gone.md)\n[d\ne](../archtest#x) <img src=\"gone.svg\">\n" +
		"[f](https://example.com/gone) `[g](gone)`\n```\n[h](gone)\n```\n## One\n[i](#one-1) [j](../../../..)\n"
	anchors := map[string]map[string]bool{"internal/archtest/page.md": anchorsOf(page)}
	var broken []string
	for _, link := range linksOf(page) {
		if brokenLink("internal/archtest/page.md", link, anchors) != "" {
			broken = append(broken, link)
		}
	}
	want := "#two gone.md ../archtest#x gone.svg ../../../.."
	if got := strings.Join(broken, " "); got != want {
		t.Errorf("broken are %q, want %q", got, want)
	}
}

// markdownPages returns the text of each Markdown page by its path from the root,
// without those of hidden folders, of test data and of what is built.
func markdownPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if at != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		path, err := filepath.Rel(root, at)
		pages[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// linksOf returns the targets of the links and images of a page, outside of code.
func linksOf(text string) []string {
	text = inlineCode.ReplaceAllString(fenced.ReplaceAllString(text, ""), "")
	var links []string
	for _, m := range linked.FindAllStringSubmatch(text, -1) {
		links = append(links, m[1]+m[2])
	}
	return links
}

// anchorsOf returns the anchors of a page's headings as GitHub makes them: lower
// case, letters, digits, underscores and hyphens only, hyphens for spaces, and a
// number behind what was there before.
func anchorsOf(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, headLink.ReplaceAllString(m[1], "$1"))
		unique := anchor
		for n := 1; anchors[unique]; n++ {
			unique = anchor + "-" + strconv.Itoa(n)
		}
		anchors[unique] = true
	}
	return anchors
}

// brokenLink says what is wrong with a link of the page at path, or nothing.
func brokenLink(path, link string, anchors map[string]map[string]bool) string {
	u, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	if u.Scheme != "" || u.Host != "" {
		return ""
	}
	target := path
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(path), filepath.FromSlash(u.Path))
		if !filepath.IsLocal(target) {
			return "leaves the repository"
		}
		if _, err := os.Stat(filepath.Join(root, target)); err != nil {
			return "there is no " + target
		}
	}
	if u.Fragment != "" && !anchors[target][u.Fragment] {
		return target + " has no heading with this anchor"
	}
	return ""
}
