package spec

import (
	"fmt"
	"strings"
)

// Help describes the kinds for --help: a line for each, and one for each of its
// parameters.
func (t *Table) Help() string {
	var b strings.Builder
	for i := range t.Forms {
		f := &t.Forms[i]
		fmt.Fprintf(&b, "%s: %s\n", f.Usage, f.Summary)
		helpParams(&b, f.Params)
	}
	if len(t.Common) > 0 && len(t.Forms) > 0 {
		fmt.Fprintf(&b, "each %s also takes\n", t.Family)
		helpParams(&b, t.Common)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func helpParams(b *strings.Builder, params []Param) {
	for i := range params {
		p := &params[i]
		fmt.Fprintf(b, "  %s=%s: %s%s\n", p.Name, p.placeholder(), p.Meaning, before("; ", p.remarks()))
	}
}

// Markdown describes the kinds as a table, and their parameters as one more.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString("| Value | What it is |\n|---|---|\n")
	for i := range t.Forms {
		f := &t.Forms[i]
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.Usage, cell(f.Summary))
	}
	var rows strings.Builder
	for i := range t.Forms {
		markdownParams(&rows, "`"+t.Forms[i].Scheme+":`", t.Forms[i].Params)
	}
	markdownParams(&rows, "each", t.Common)
	if rows.Len() > 0 {
		b.WriteString("\n| Of | Parameter | Default | Meaning |\n|---|---|---|---|\n" + rows.String())
	}
	return b.String()
}

func markdownParams(b *strings.Builder, of string, params []Param) {
	for i := range params {
		p := &params[i]
		value := "none"
		switch {
		case p.Required:
			value = "must be given"
		case p.Default != "":
			value = "`" + p.Default + "`"
		}
		fmt.Fprintf(b, "| %s | `%s=%s` | %s | %s |\n", of, p.Name, p.placeholder(), value, cell(p.Meaning+before("; ", p.limits())))
	}
}

// cell keeps a text from being taken for Markdown.
func cell(s string) string {
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(s)
}

// placeholder stands for a value of the parameter.
func (p *Param) placeholder() string {
	if p.Type == Choice {
		return strings.Join(p.Choices, ",")
	}
	if p.Type == List {
		return "A,B,..."
	}
	kind := p.Type
	if kind == "" {
		kind = Text
	}
	return strings.ToUpper(string(kind))
}

// limits says what a number is bounded by, and its unit.
func (p *Param) limits() string {
	if p.Type != Integer && p.Type != Bytes && p.Type != Duration {
		return ""
	}
	if p.Min == 0 && p.Max == 0 {
		return p.Unit
	}
	return p.show(p.Min) + " to " + p.show(p.Max) + before(" ", p.Unit)
}

// remarks says what a value that is not given is, and what bounds it.
func (p *Param) remarks() string {
	var parts []string
	if limits := p.limits(); limits != "" {
		parts = append(parts, limits)
	}
	switch {
	case p.Required:
		parts = append(parts, "required")
	case p.Default != "":
		parts = append(parts, "default "+p.Default)
	}
	return strings.Join(parts, "; ")
}
