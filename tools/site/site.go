package main

import (
	"bytes"
	_ "embed" // the template and the style are part of the program
	"errors"
	"fmt"
	"html/template"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// front is the page that is read first, and index the one whose lists are the
// navigation.
const (
	front = "README.md"
	index = "docs/README.md"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// site is the work of writing one.
type site struct {
	root, out, source string

	pages  map[string]*page // by path from the root
	assets map[string]bool  // files that are copied, by path from the root
}

// write writes the site and returns how many pages it has.
func (s *site) write() (int, error) {
	if err := s.read(); err != nil {
		return 0, err
	}
	sections := navigation(s.pages[index])
	var errs []error
	rendered := map[string][]byte{}
	for _, at := range slices.Sorted(maps.Keys(s.pages)) {
		text, err := s.render(s.pages[at], sections)
		errs = append(errs, err)
		rendered[target(at)] = text
	}
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	if err := os.RemoveAll(s.out); err != nil {
		return 0, err
	}
	for at := range s.assets {
		data, err := os.ReadFile(filepath.Join(s.root, at))
		if err != nil {
			return 0, err
		}
		rendered[at] = data
	}
	for at, text := range rendered {
		to := filepath.Join(s.out, filepath.FromSlash(at))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return 0, err
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			return 0, err
		}
	}
	return len(s.pages), nil
}

// read reads the front page and all pages that can be reached from it.
func (s *site) read() error {
	s.pages, s.assets = map[string]*page{}, map[string]bool{}
	for todo := []string{front, index}; len(todo) > 0; todo = todo[1:] {
		at := todo[0]
		if s.pages[at] != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(at)))
		if err != nil {
			return err
		}
		p, err := parse(at, text)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		s.pages[at] = p
		for _, link := range p.links() {
			if to := s.pageAt(p.at, link); to != "" {
				todo = append(todo, to)
			}
		}
	}
	return nil
}

// target is where the page at a path is written to.
func target(at string) string {
	if path.Base(at) == "README.md" {
		return path.Join(path.Dir(at), "index.html")
	}
	return strings.TrimSuffix(at, ".md") + ".html"
}

// entry is one link of the navigation.
type entry struct {
	Text, To string
	Here     bool
}

// section is one part of the navigation.
type section struct {
	Title   string
	Entries []entry
}

// render returns a page of the site.
func (s *site) render(p *page, sections []section) ([]byte, error) {
	body, err := s.relink(p)
	if err != nil {
		return nil, err
	}
	nav := make([]section, len(sections))
	for i, part := range sections {
		nav[i].Title = part.Title
		for _, e := range part.Entries {
			to := s.pageAt(index, e.To)
			if to == "" {
				continue // a schema, say
			}
			nav[i].Entries = append(nav[i].Entries, entry{Text: e.Text, To: relative(p.at, target(to)), Here: to == p.at})
		}
	}
	var b bytes.Buffer
	err = pageTemplate.Execute(&b, map[string]any{
		"Title": p.title, "Body": template.HTML(body), "Style": template.CSS(styleText), "Nav": nav, "Parts": p.parts,
		"Home": relative(p.at, target(front)), "AtHome": p.at == front, "Source": s.source + "/blob/main/" + p.at,
	})
	return b.Bytes(), err
}
