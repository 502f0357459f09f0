package findings

import (
	"fmt"
	"strings"
)

// Markdown is the generated part of docs/findings.md: a table, and a section for each code.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Code | Severity | What |\n|---|---|---|\n")
	for _, c := range codes {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", c.Code, strings.ToLower(c.Code), c.Severity, c.Title)
	}
	for _, c := range codes {
		fmt.Fprintf(&b, "\n### %s\n\n**%s** (%s). %s\n\nImpact: %s\n\nWhat to do: %s\n", c.Code, c.Title, c.Severity, c.Meaning, c.Impact, c.Do)
		if len(c.Commands) > 0 {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", strings.Join(c.Commands, "\n"))
		}
	}
	return b.String()
}
