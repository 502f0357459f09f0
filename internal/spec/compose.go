package spec

import (
	"errors"
	"fmt"
	"strings"
)

// Pair is a parameter's name and its value, not escaped.
type Pair struct{ Name, Value string }

// Compose returns the text that Parse reads as the given one with these parameters. A
// List with several values is several pairs. It is for texts that have none yet. The errors
// show no credential; what is wrong with the values Parse reports.
func Compose(t *Table, text string, pairs []Pair) (string, error) {
	if len(pairs) == 0 {
		return text, nil
	}
	f, err := t.formOf(text)
	if err != nil {
		return "", err
	}
	hasQuery := strings.Contains(text, "?")
	if f.Rest == Literal {
		_, _, hasQuery = f.cutLiteral(text)
	}
	if hasQuery {
		return "", errors.New("parameters follow a question mark in the text, and there are other keys; write all of them as keys")
	}
	var errs []error
	separator := "?"
	for _, p := range pairs {
		if f.param(p.Name) == nil {
			errs = append(errs, f.unknownParam(p.Name, true, !paramNameSyntax.MatchString(p.Name)))
			continue
		}
		text += separator + p.Name + "=" + escaper.Replace(p.Value)
		separator = "&"
	}
	return text, errors.Join(errs...)
}

// escaper writes what would end a value, or an item of a list, or be decoded. What stands
// for itself is easier to read in messages.
var escaper = strings.NewReplacer("%", "%25", "&", "%26", "?", "%3F", ",", "%2C")

// formOf returns the form that a text has by its scheme.
func (t *Table) formOf(text string) (*Form, error) {
	scheme, rest, colon := strings.Cut(text, ":")
	for i := range t.Forms {
		if colon && t.Forms[i].Scheme == scheme {
			return t.form(i), nil
		}
	}
	if t.isBare(scheme, rest, colon) {
		return t.formOf(t.Bare + ":")
	}
	return nil, t.unknown(text, scheme, colon)
}

// Describe returns the parameters of all forms by name, each with its meaning, for a
// schema.
func Describe(t *Table) map[string]string {
	all := map[string]string{}
	for i := range t.Forms {
		for _, p := range t.form(i).Params {
			if all[p.Name] == "" {
				all[p.Name] = fmt.Sprintf("%s: %s", t.Forms[i].Scheme, p.Meaning)
			}
		}
	}
	return all
}
