package main

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// linkIn matches the links of rendered pages: in code, quotes are escaped.
var linkIn = regexp.MustCompile(`\b(href|src|srcset)="([^"]*)"`)

// links returns the links of a page, as they stand there.
func (p *page) links() []string {
	var links []string
	for _, m := range linkIn.FindAllStringSubmatch(p.body, -1) {
		links = append(links, html.UnescapeString(m[2]))
	}
	return links
}

// relink returns the body of a page with the links of the site.
func (s *site) relink(p *page) (string, error) {
	var errs []error
	body := linkIn.ReplaceAllStringFunc(p.body, func(found string) string {
		m := linkIn.FindStringSubmatch(found)
		to, err := s.follow(p, html.UnescapeString(m[2]))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: link %q: %w", p.at, m[2], err))
		}
		return fmt.Sprintf("%s=%q", m[1], html.EscapeString(to))
	})
	return body, errors.Join(errs...)
}

// follow returns where a link of a page leads in the site.
func (s *site) follow(p *page, link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return link, err
	}
	if u.Path == "" {
		if !p.ids[u.Fragment] {
			return "", errors.New("no heading of this page has this anchor")
		}
		return link, nil
	}
	if to := s.pageAt(p.at, link); to != "" {
		fragment := ""
		if u.Fragment != "" {
			if fragment = "#" + u.Fragment; !s.pages[to].ids[u.Fragment] {
				return "", fmt.Errorf("no heading of %s has this anchor", to)
			}
		}
		return relative(p.at, target(to)) + fragment, nil
	}
	at := path.Join(path.Dir(p.at), u.Path)
	info, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(at)))
	switch {
	case err != nil || !filepath.IsLocal(at):
		return "", fmt.Errorf("there is no file %s", at)
	case info.IsDir():
		return s.source + "/tree/main/" + at, nil
	case strings.HasPrefix(at, "docs/"):
		s.assets[at] = true
		return relative(p.at, at), nil
	}
	return s.source + "/blob/main/" + at, nil
}

// pageAt returns the page that a link of the page at a path leads to; none if it
// leads elsewhere. A folder with a README.md is that page.
func (s *site) pageAt(from, link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path == "" {
		return ""
	}
	at := path.Join(path.Dir(from), u.Path)
	if !filepath.IsLocal(at) {
		return ""
	}
	if path.Ext(at) != ".md" {
		at = path.Join(at, "README.md")
	}
	if _, err := os.Stat(filepath.Join(s.root, filepath.FromSlash(at))); err != nil {
		return ""
	}
	return at
}

// relative is the way from the page at a path to a file of the site.
func relative(from, to string) string {
	up := strings.Repeat("../", strings.Count(from, "/"))
	return up + to
}
