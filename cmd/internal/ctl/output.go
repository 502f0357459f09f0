package ctl

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// Output is the form in which a command prints, as kubectl has it.
type Output struct {
	format    string
	noHeaders bool
}

// AddFlags adds -o and --no-headers.
func (o *Output) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.format, "output", "o", "", "form of the output: wide, json or yaml (default: a table)")
	f.BoolVar(&o.noHeaders, "no-headers", false, "a table without its first line")
}

// Table is what a command prints for people.
type Table struct {
	Columns []Column
	Rows    [][]string // of as many cells as there are columns; texts of others are made printable
}

// Column is one of a table's.
type Column struct {
	Name string // in capitals
	Wide bool   // shown with -o wide only
}

// Print prints the object as JSON or YAML if that is asked for, and else the table.
func (o *Output) Print(w io.Writer, t Table, object any) error {
	switch o.format {
	case "", "wide":
		return o.table(w, t)
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(object)
	case "yaml":
		text, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("write YAML: %w", err)
		}
		_, err = w.Write(text)
		return err
	}
	return fmt.Errorf("--output %q: there are wide, json and yaml", o.format)
}

func (o *Output) table(w io.Writer, t Table) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(cell func(i int) string) error {
		var cells []string
		for i, c := range t.Columns {
			if !c.Wide || o.format == "wide" {
				cells = append(cells, Printable(cell(i)))
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
