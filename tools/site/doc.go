// Command site writes the pages of the repository as a static site.
//
//	README.md ── links ──▶ all pages that can be reached ── goldmark ──▶ *.html
//	docs/README.md ── its sections and lists ──▶ the navigation of every page
//
// A link works as it does on GitHub: one to a page leads to that page of the site,
// also with the anchor of a heading; one to a picture or another file of docs leads
// to a copy of it; one to any other file of the repository leads to its source. A
// link that leads nowhere is an error. The site needs no script, no server and no
// other site: it can be opened from a folder.
package main
