package ctl

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table is what a command prints for people.
type Table struct {
	Kind    string // what a row is, for -o name, such as "cluster"; may be empty
	Columns []Column
	Rows    [][]string // of as many cells as there are columns; texts of others are made printable
	Items   []any      // what each row tells of, for custom columns and JSONPaths; may be nil
}

// Column is one of a table's.
type Column struct {
	Name string // in capitals
	Wide bool   // shown with -o wide only
}

// table prints the columns that are asked for, with cells as they are or cut.
func (o *Output) table(w io.Writer, t Table, cut bool) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(cell func(i int) string) error {
		var cells []string
		for i, c := range t.Columns {
			if !c.Wide || o.format == "wide" {
				if text := cell(i); cut {
					cells = append(cells, Printable(text))
				} else {
					cells = append(cells, Visible(text))
				}
			}
		}
		_, err := fmt.Fprintln(tw, strings.Join(cells, "\t"))
		return err
	}
	if !o.noHeaders {
		if err := line(func(i int) string { return t.Columns[i].Name }); err != nil {
			return err
		}
	}
	for _, row := range t.Rows {
		if err := line(func(i int) string { return row[i] }); err != nil {
			return err
		}
	}
	return tw.Flush()
}
