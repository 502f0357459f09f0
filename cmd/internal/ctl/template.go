package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"unicode"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/util/jsonpath"
)

// generic returns what JSON makes of an object: templates name its fields as -o json
// shows them.
func generic(object any) (value any, err error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	if err := utiljson.Unmarshal(text, &value); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	return value, nil
}

// path is a JSONPath, as kubectl takes them.
type path struct{ *jsonpath.JSONPath }

// newPath parses a path, whose braces and first dot may be missing.
func newPath(text string) (path, error) {
	if !strings.HasPrefix(text, "{") {
		text = "{." + strings.TrimPrefix(text, ".") + "}"
	}
	return parsePath(text)
}

// parsePath parses a template of paths in braces.
func parsePath(text string) (path, error) {
	p := path{jsonpath.New("output").AllowMissingKeys(true)}
	if err := p.Parse(text); err != nil {
		return p, fmt.Errorf("the JSONPath %q: %w", text, err)
	}
	return p, nil
}

// text returns what the path finds in an object.
func (p path) text(object any) (string, error) {
	value, err := generic(object)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := p.Execute(&b, value); err != nil {
		return "", err
	}
	return b.String(), nil
}

func printJSONPath(w io.Writer, text string, object any) error {
	p, err := parsePath(text)
	if err != nil {
		return &pointlessError{fmt.Errorf("--output: %w", err)}
	}
	made, err := p.text(object)
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	_, err = io.WriteString(w, harmless(made))
	return err
}

func printTemplate(w io.Writer, text string, object any) error {
	t, err := template.New("output").Parse(text)
	if err != nil {
		return &pointlessError{fmt.Errorf("--output: %w", err)}
	}
	value, err := generic(object)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := t.Execute(&b, value); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	_, err = io.WriteString(w, harmless(b.String()))
	return err
}

// customColumns prints a table whose columns are paths: NAME:PATH,...
func (o *Output) customColumns(w io.Writer, spec string, t Table, object any) error {
	items := t.Items
	if items == nil {
		items = []any{object}
	}
	own := Table{Rows: make([][]string, len(items))}
	for column := range strings.SplitSeq(spec, ",") {
		name, text, ok := strings.Cut(column, ":")
		if !ok || name == "" || text == "" {
			return &pointlessError{errors.New("--output custom-columns: write NAME:PATH,..., such as NAME:.name,SINCE:.since")}
		}
		p, err := newPath(text)
		if err != nil {
			return &pointlessError{fmt.Errorf("--output custom-columns: %w", err)}
		}
		own.Columns = append(own.Columns, Column{Name: name})
		for i, item := range items {
			cell, err := p.text(item)
			if err != nil {
				return fmt.Errorf("--output custom-columns: %w", err)
			}
			if cell == "" {
				cell = "<none>"
			}
			own.Rows[i] = append(own.Rows[i], cell)
		}
	}
	return o.table(w, own, false)
}

// harmless is Visible that keeps the lines and tabs of a template.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return ' '
		}
		return r
	}, s)
}
