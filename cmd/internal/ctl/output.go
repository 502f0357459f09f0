package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// Output is the form in which a command prints, as kubectl has it.
type Output struct {
	format    string
	noHeaders bool
	sortBy    string
}

// formats are what -o takes; those that end in = are followed by a template.
var formats = []string{"wide", "json", "yaml", "name", "jsonpath=", "go-template=", "custom-columns="}

// AddFlags adds -o, --no-headers and --sort-by.
func (o *Output) AddFlags(f *pflag.FlagSet) {
	f.StringVarP(&o.format, "output", "o", "", "form of the output: wide, json, yaml, name, jsonpath=TEMPLATE, go-template=TEMPLATE or\n"+
		"custom-columns=NAME:PATH,... (default: a table)")
	f.BoolVar(&o.noHeaders, "no-headers", false, "a table without its first line, and without what stands below it")
	f.StringVar(&o.sortBy, "sort-by", "", "order of the rows: a column's name, by which large numbers come first, or a JSONPath such as\n"+
		"{.since}, by which small values do (default: what matters first)")
}

// objectFormats are those of what is no table.
var objectFormats = []string{"json", "yaml", "jsonpath=", "go-template="}

// AddObjectFlag adds -o to a command that prints sentences, or an object.
func (o *Output) AddObjectFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "", "form of the output: json, yaml, jsonpath=TEMPLATE or go-template=TEMPLATE (default: text)")
	// It fails only for a flag that there is not.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(objectFormats, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
}

// IsText reports whether a command with AddObjectFlag prints sentences.
func (o *Output) IsText() bool { return o.format == "" }

// checkObject returns why PrintObject could print nothing: what changes something asks before.
func (o *Output) checkObject() error {
	form, text, given := strings.Cut(o.format, "=")
	var err error
	switch {
	case o.format == "" || !given && (form == "json" || form == "yaml"):
	case given && form == "jsonpath":
		_, err = parsePath(text)
	case given && form == "go-template":
		_, err = template.New("output").Parse(text)
	default:
		return &pointlessError{fmt.Errorf("--output %q: there are %s", o.format, strings.Join(objectFormats, ", "))}
	}
	if err != nil {
		return &pointlessError{fmt.Errorf("--output: %w", err)}
	}
	return nil
}

// check returns why a table with these columns could not be printed, whatever is in it: who changes
// something asks before.
func (o *Output) check(columns []Column) error {
	err := o.Print(io.Discard, Table{Columns: columns, Items: []any{}}, struct{}{})
	if _, pointless := errors.AsType[*pointlessError](err); pointless {
		return Unasked(err)
	}
	return nil // a template may need what there is
}

// PrintObject prints an object in the form that is asked for, unless that is text.
func (o *Output) PrintObject(w io.Writer, object any) error { return o.Print(w, Table{}, object) }

// CompleteOutput completes the flags of AddFlags by the table's columns.
func CompleteOutput(cmd *cobra.Command, columns []Column) {
	var names []string
	for _, c := range columns {
		names = append(names, strings.ToLower(c.Name))
	}
	for name, values := range map[string][]string{"output": formats, "sort-by": names} {
		// It fails only for a flag that there is not.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	}
}

// IsTable reports whether Print prints a table with a first line: something for people,
// below which there may be more.
func (o *Output) IsTable() bool { return (o.format == "" || o.format == "wide") && !o.noHeaders }

// Print prints the object as JSON or YAML, or what a template makes of it, if that is
// asked for, and else the table. Custom columns are made of t.Items, or of the object if
// there are none. An object that is a func([]any) any is what that makes of t.Items, in
// the order that is asked for.
func (o *Output) Print(w io.Writer, t Table, object any) error {
	if err := o.sort(&t); err != nil {
		return err
	}
	if made, ok := object.(func([]any) any); ok {
		object = made(t.Items)
	}
	form, template, given := strings.Cut(o.format, "=")
	if !given && slices.Contains(formats, form+"=") {
		return &pointlessError{fmt.Errorf("--output %s: write %[1]s=TEMPLATE", form)}
	}
	switch form {
	case "", "wide":
		return o.table(w, t, o.format != "wide")
	case "json", "yaml":
		text, err := json.MarshalIndent(object, "", "  ")
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		said := escaped(string(text), pairOfJSON) + "\n"
		if form == "yaml" {
			if text, err = yaml.JSONToYAML([]byte(escaped(string(text), pairOfYAML))); err != nil {
				return fmt.Errorf("write YAML: %w", err)
			}
			said = harmless(string(text)) // it escapes most
		}
		_, err = io.WriteString(w, said)
		return err
	case "name":
		return o.names(w, t)
	case "jsonpath":
		return printJSONPath(w, template, object)
	case "go-template":
		return printTemplate(w, template, object)
	case "custom-columns":
		return o.customColumns(w, template, t, object)
	}
	return &pointlessError{fmt.Errorf("--output %q: there are %s", o.format, strings.Join(formats, ", "))}
}

// names prints the first cell of each row, behind what the rows are.
func (o *Output) names(w io.Writer, t Table) error {
	var b strings.Builder
	for _, row := range t.Rows {
		if t.Kind != "" {
			b.WriteString(t.Kind + "/")
		}
		b.WriteString(Visible(row[0]) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
