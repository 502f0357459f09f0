package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// ledgerContent is what fairlead ledger inspect shows.
type ledgerContent struct {
	Path    string               `json:"path"`
	Bytes   int64                `json:"bytes"`           // the size of the store; 0 if it knows none
	Pages   *ledger.Pages        `json:"pages,omitempty"` // nil: it has none
	Cursors []ledger.Description `json:"cursors"`
}

func newLedgerContent(spec *ledger.StoreSpec, s ledger.Store, cursors []ledger.Description) ledgerContent {
	if cursors == nil {
		cursors = []ledger.Description{}
	}
	c := ledgerContent{Path: spec.Identity, Cursors: cursors}
	if sizer, ok := s.(ledger.Sizer); ok {
		c.Bytes = sizer.Size()
	}
	if paged, ok := s.(ledger.Paged); ok {
		p := paged.Pages()
		c.Pages = &p
	}
	return c
}

// add returns the sum of what cursors hold.
func add(cursors []ledger.Description) (sum ledger.Description) {
	for _, c := range cursors {
		sum.Objects += c.Objects
		sum.UnackedUIDs += c.UnackedUIDs
		sum.Deleted += c.Deleted
	}
	return sum
}

func printLedger(out io.Writer, output string, c ledgerContent) error {
	if output == "json" {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(c)
	}
	size := ""
	if c.Bytes > 0 {
		size = fmt.Sprintf("%d bytes", c.Bytes)
	}
	if p := c.Pages; p != nil {
		size += fmt.Sprintf(", %d pages of %d bytes, %d of them free", p.Total, p.Size, p.Free)
	}
	if size != "" {
		size += "; "
	}
	_, err := fmt.Fprintf(out, "Ledger %s: %s%d cursors, %d objects\n", c.Path, size, len(c.Cursors), add(c.Cursors).Objects)
	if err != nil {
		return err
	}
	return printCursors(out, c.Cursors)
}

func printForgotten(out io.Writer, what string, gone []ledger.Description) error {
	_, err := fmt.Fprintf(out, "Forgot %s: %d cursors, %d objects; sinks keep them, as no deletions are sent\n", ctl.Printable(what), len(gone), add(gone).Objects)
	if err != nil {
		return err
	}
	return printCursors(out, gone)
}

func printCursors(out io.Writer, cursors []ledger.Description) error {
	if len(cursors) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := [][]string{{"CLUSTER", "UID", "RESOURCE", "SELECTION", "SINK", "OBJECTS", "UNACKED UIDS", "DELETED", "RESUME POINT", "REDELIVER", "UNWATCHED SINCE", "LEFT SINCE"}}
	for _, c := range cursors {
		due := ""
		if c.Redeliver > 0 {
			due = fmt.Sprint(c.Redeliver)
		}
		unwatched := c.Unwatched
		if unwatched.IsZero() {
			unwatched = c.RouteGone
		}
		rows = append(rows, []string{
			c.ID.Cluster, c.ID.ClusterUID, c.ID.Resource, selectionText(c.Selection), cmp.Or(c.ID.Route, strings.Join(c.Sinks, " ")),
			fmt.Sprint(c.Objects), fmt.Sprint(c.UnackedUIDs), fmt.Sprint(c.Deleted), c.ResumePoint, due, moment(unwatched), moment(c.Left),
		})
	}
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = ctl.Printable(cell); cell == "" {
				row[i] = "-"
			}
		}
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// moment is a time, empty if there is none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// forgotten names what was asked for.
func forgotten(cluster, resource string) string {
	switch {
	case resource == "":
		return "cluster " + cluster
	case cluster == "":
		return "resource " + resource
	}
	return "resource " + resource + " of cluster " + cluster
}

// selectionText is what --watch has behind its question mark, and what rules say beside.
func selectionText(of ledger.Selection) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"namespace", of.Namespace}, {"labelSelector", of.Labels}, {"fieldSelector", of.Fields}, {"where", of.Where}, {"changed", of.Changed},
	} {
		if p.value != "" {
			parts = append(parts, p.name+"="+p.value)
		}
	}
	return strings.Join(parts, "&")
}
