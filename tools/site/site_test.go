package main

import (
	"html"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The repository's own pages, as a site: every link leads to a file of the site and,
// where it names an anchor, to an element there. No page needs a script.
func TestSiteOfTheRepository(t *testing.T) {
	s := site{root: "../..", out: t.TempDir(), source: "https://example.org/source"}
	n, err := s.write()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	err = filepath.WalkDir(s.out, func(at string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			var text []byte
			text, err = os.ReadFile(at)
			texts[at] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	for at, text := range texts {
		if filepath.Ext(at) != ".html" {
			continue
		}
		pages++
		if strings.Contains(text, "<script") || strings.Count(text, "<h1") != 1 || strings.Count(text, "<title>") != 1 {
			t.Errorf("%s has a script, or not one title", at)
		}
		for _, m := range linkIn.FindAllStringSubmatch(text, -1) {
			checkLink(t, at, html.UnescapeString(m[2]), texts)
		}
	}
	if pages != n || pages < 20 {
		t.Errorf("%d pages were written, and %d told of", pages, n)
	}
	onDisk, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	start := texts[filepath.Join(s.out, "index.html")]
	for _, page := range onDisk {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name != "README" && !strings.Contains(start, `href="docs/`+name+`.html"`) {
			t.Errorf("the navigation has no docs/%s", name)
		}
	}
	runbooks, err := filepath.Glob("../../docs/runbooks/*.md")
	if err != nil || len(runbooks) < 10 {
		t.Fatal(err, runbooks)
	}
	for _, page := range runbooks {
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		if name != "README" && texts[filepath.Join(s.out, "docs", "runbooks", name+".html")] == "" {
			t.Errorf("the site has no runbook of %s", name)
		}
	}
	if !strings.Contains(start, `href="docs/runbooks/index.html"`) {
		t.Error("the navigation has no runbooks")
	}
}

func checkLink(t *testing.T, from, link string, texts map[string]string) {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Errorf("%s: %v", from, err)
		return
	}
	if u.Scheme != "" {
		return
	}
	to := from
	if u.Path != "" {
		to = filepath.Join(filepath.Dir(from), filepath.FromSlash(u.Path))
	}
	text, ok := texts[to]
	if !ok || filepath.Ext(to) == ".md" {
		t.Errorf("%s: %q leads nowhere", from, link)
	}
	if u.Fragment != "" && !strings.Contains(text, ` id="`+u.Fragment+`"`) {
		t.Errorf("%s: %q: nothing there has this anchor", from, link)
	}
}

// A line does not end between the hyphens of a flag, nor within a block of code, which
// scrolls. In a cell of a table it may end before an ampersand.
func TestCodeIsBrokenWhereItReadsWell(t *testing.T) {
	long := "resource?namespace=web&labelSelector=app&fieldSelector=x"
	p, err := parse("a.md", []byte("# A\n\nSet `--memory-budget`.\n\n    "+long+"\n\n| a |\n|---|\n| `"+long+"` |\n"))
	if err != nil {
		t.Fatal(err)
	}
	escaped := strings.ReplaceAll(long, "&", "&amp;")
	for _, want := range []string{
		`<code><span class="flag">--memory</span>-budget</code>`,
		`<pre tabindex="0"><code>` + escaped,
		`<code>` + strings.ReplaceAll(escaped, "&amp;", "<wbr>&amp;") + `</code>`,
	} {
		if !strings.Contains(p.body, want) {
			t.Errorf("%q is not in\n%s", want, p.body)
		}
	}
}

func TestBrokenLinksAreErrors(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("docs/README.md", "# Pages\n\n## Tutorial: learn\n\n- [One](one.md), with its [schema](one.json)\n")
	write("docs/one.json", "{}")
	write("docs/one.md", "# One\n\n## Two: `--x` & [three](https://example.org)\n\n## Same\n\n## Same\n\n`<a href=\"gone\">`\n")
	write("main.go", "package main")
	write("README.md", "# A\n\n[ok](docs/one.md#two---x--three) [ok](docs/one.md#same-1) [ok](docs/) [ok](main.go) [ok](#a)\n"+
		"[b1](docs/gone.md) [b2](docs/one.md#gone) [b3](#gone) [b4](../../x) <img src=\"gone.svg\">\n")
	s := site{root: root, out: filepath.Join(t.TempDir(), "site"), source: "https://example.org"}
	_, err := s.write()
	if err == nil {
		t.Fatal("no error")
	}
	broken := regexp.MustCompile(`link "([^"]+)"`).FindAllStringSubmatch(err.Error(), -1)
	var got []string
	for _, m := range broken {
		got = append(got, m[1])
	}
	if want := "docs/gone.md docs/one.md#gone #gone ../../x gone.svg"; strings.Join(got, " ") != want {
		t.Errorf("broken are %v, want %s:\n%v", got, want, err)
	}
}
