package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
)

// page is one Markdown page.
type page struct {
	at    string // path from the root
	title string
	body  string  // HTML, with links as they stand in the page
	parts []entry // headings of the second level
	ids   map[string]bool

	source []byte
	tree   ast.Node
}

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.GFM),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
	goldmark.WithRendererOptions(html.WithUnsafe()), // pages hold pictures and details, and are ours
)

var (
	anchored = regexp.MustCompile(`<h([2-6]) id="([^"]+)">(.*?)</h[2-6]>`)
	idOf     = regexp.MustCompile(` id="([^"]+)"`)
	longCode = regexp.MustCompile(`(<pre[^>]*>)?<code>[^<]{40,}</code>`) // a cell of a table has to break it; a block scrolls
	flagCode = regexp.MustCompile(`<code>(--?[A-Za-z0-9]+)`)
)

// parse reads the page at a path.
func parse(at string, source []byte) (*page, error) {
	p := &page{at: at, title: at, source: source, ids: map[string]bool{}}
	p.tree = markdown.Parser().Parse(text.NewReader(source), parser.WithContext(parser.NewContext(parser.WithIDs(gitHubIDs{}))))
	for node := p.tree.FirstChild(); node != nil; node = node.NextSibling() {
		if table, ok := node.(*extensionast.Table); ok {
			label(table, source)
		}
		heading, ok := node.(*ast.Heading)
		if !ok {
			continue
		}
		id, _ := heading.AttributeString("id")
		switch name, _ := id.([]byte); heading.Level {
		case 1:
			p.title = plain(heading, source)
		case 2:
			p.parts = append(p.parts, entry{Text: plain(heading, source), To: "#" + string(name)})
		}
	}
	var b bytes.Buffer
	if err := markdown.Renderer().Render(&b, source, p.tree); err != nil {
		return nil, err
	}
	p.body = anchored.ReplaceAllString(b.String(), `<h$1 id="$2">$3 <a class="anchor" href="#$2" aria-label="Link to this part">#</a></h$1>`)
	// What is wider than the page scrolls by itself, also with the keyboard.
	p.body = strings.NewReplacer(
		"<table>", `<div class="table" role="region" aria-label="Table" tabindex="0"><table>`, "</table>", "</table></div>",
		"<pre>", `<pre tabindex="0">`,
	).Replace(p.body)
	p.body = longCode.ReplaceAllStringFunc(p.body, func(code string) string {
		if strings.HasPrefix(code, "<pre") {
			return code
		}
		return strings.ReplaceAll(code, "&amp;", "<wbr>&amp;")
	})
	// Browsers end a line behind any hyphen, also between the two that begin a flag.
	p.body = flagCode.ReplaceAllString(p.body, `<code><span class="flag">$1</span>`)
	for _, m := range idOf.FindAllStringSubmatch(p.body, -1) {
		p.ids[m[1]] = true
	}
	return p, nil
}

// label notes at each cell of a table what its column is called: a narrow page shows
// the cells of a row below each other.
func label(table ast.Node, source []byte) {
	var columns []string
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		n := 0
		for cell := row.FirstChild(); cell != nil; cell = cell.NextSibling() {
			if row == table.FirstChild() {
				columns = append(columns, plain(cell, source))
			} else if n < len(columns) && columns[n] != "" {
				cell.SetAttributeString("data-label", []byte(columns[n]))
			}
			n++
		}
	}
}

// navigation returns the parts of the index and the pages that each lists.
func navigation(p *page) []section {
	var sections []section
	for node := p.tree.FirstChild(); node != nil; node = node.NextSibling() {
		if heading, ok := node.(*ast.Heading); ok && heading.Level == 2 {
			title, _, _ := strings.Cut(plain(heading, p.source), ":")
			sections = append(sections, section{Title: title})
		}
		if len(sections) == 0 {
			continue
		}
		last := &sections[len(sections)-1]
		_ = ast.Walk(node, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if link, ok := n.(*ast.Link); ok && entering {
				last.Entries = append(last.Entries, entry{Text: plain(link, p.source), To: string(link.Destination)})
			}
			return ast.WalkContinue, nil
		})
	}
	return sections
}

// plain is the text of a node without its marks.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			b.Write(t.Segment.Value(source))
			if t.SoftLineBreak() {
				b.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// gitHubIDs names headings as GitHub does: lower case, letters, digits, underscores
// and hyphens only, hyphens for spaces, and a number behind what was there before.
type gitHubIDs map[string]bool

var headingLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)

// Generate implements parser.IDs.
func (ids gitHubIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(headingLink.ReplaceAllString(string(value), "$1")))
	unique := id
	for n := 1; ids[unique]; n++ {
		unique = id + "-" + strconv.Itoa(n)
	}
	ids[unique] = true
	return []byte(unique)
}

// Put implements parser.IDs.
func (ids gitHubIDs) Put(value []byte) { ids[string(value)] = true }
