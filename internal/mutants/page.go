package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// switches are what the models of the ledger and of a lock by a majority call their rules. That
// of routes calls them as this table does.
var switches = map[string]string{
	ledgerSweep: "sweep", ledgerNote: "note", ledgerUIDFirst: "uid_first", ledgerStale: "stale", ledgerRemembers: "remember_deletes",
	quorumWait: "wait", quorumBegan: "began", quorumCount: "count", quorumMajority: "majority", quorumClock: "clock", quorumRestore: "restore",
}

// isSwitch reports whether a model has a switch for a rule.
func isSwitch(rule string) bool { return slices.Contains(modelledRoutes, rule) || switches[rule] != "" }

const pageHead = `# Rules and the tests that need them

` + "`make mutants`" + ` takes each of these rules out of the product, one at a time, and runs the test that must fail then. It takes minutes, so it
is no part of ` + "`make test`" + `: run it after a change of a line below or of a test beside it, and before a release. ` + "`make test`" + ` checks that each line
is there once, and that each rule of the models has its row. ` + "`make docs`" + ` writes this page.

`

// writePage writes what the table says as a page: first the rules that the models switch off,
// then those that came in later.
func writePage(out io.Writer, all []mutant) error {
	var page strings.Builder
	page.WriteString(pageHead)
	for _, part := range []struct {
		title string
		has   bool
	}{{"Rules that a model of the design switches off", true}, {"Rules beside them", false}} {
		fmt.Fprintf(&page, "## %s\n\n| Rule | Taken out of | In its place | Test that fails |\n|---|---|---|---|\n", part.title)
		for _, m := range all {
			if isSwitch(m.rule) != part.has {
				continue
			}
			rule := m.rule
			if name := switches[rule]; name != "" {
				rule += " (`" + name + "`)"
			}
			var old, changed []string
			for _, e := range m.edits {
				was, is := differing(e.old, e.new)
				old, changed = append(old, "`"+e.file+"`: "+asCode(was)), append(changed, asCode(is))
			}
			fmt.Fprintf(&page, "| %s | %s | %s | %s |\n", rule, strings.Join(old, "<br>"), strings.Join(changed, "<br>"), asCode(m.test.String()))
		}
		page.WriteString("\n")
	}
	_, err := io.WriteString(out, strings.TrimSpace(page.String())+"\n")
	return err
}

// differing returns the lines of two texts without those at their beginnings that are the same.
func differing(old, changed string) (_, _ string) {
	for old != "" {
		line, rest, _ := strings.Cut(old, "\n")
		other, otherRest, _ := strings.Cut(changed, "\n")
		if line != other {
			break
		}
		old, changed = rest, otherRest
	}
	return old, changed
}

// asCode renders Go in a cell of a table, in one line.
func asCode(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return "nothing"
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
