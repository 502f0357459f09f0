package spec

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Rest says what stands between a scheme's colon and the question mark.
type Rest int

// The forms of the rest.
const (
	// Required: a text that is not empty. It ends at the first question mark.
	Required Rest = iota
	// Optional: a text that may be empty. It ends at the first question mark.
	Optional
	// Nothing: no text.
	Nothing
	// Literal: a path that is not empty and may hold any character. It ends at the first
	// question mark that the name of a parameter, in whichever case and with or without
	// dashes, and an equals sign follow. A path that has such a text cannot be written.
	Literal
	// URL: //[USER@]HOST[:PORT][,HOST[:PORT]...][/PATH].
	URL
	// HTTP: http: or https:, and then as URL.
	HTTP
)

// isURL reports whether a URL stands between the colon and the question mark.
func (r Rest) isURL() bool { return r == URL || r == HTTP }

// Form is how a value that chooses a kind is written, and what the kind is.
type Form struct {
	// Scheme is what stands before the first colon: lower-case letters, digits and
	// dashes, beginning with a letter.
	Scheme string
	// Usage is how to write the value, without parameters that may be left out. It
	// begins with the scheme.
	Usage string
	// Summary says in one line what the kind is. It begins in lower case and ends
	// without a full stop.
	Summary string
	// Rest says what stands between the colon and the question mark.
	Rest Rest
	// Params are the parameters of the kind, in the order in which they are shown.
	Params []Param
	// User: a URL may name a user.
	User bool
	// Credentials names the parameters that take the place of a password in a URL,
	// such as "passwordFile". Empty: the kind uses no credentials.
	Credentials string
}

var schemeSyntax = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Validate reports what is wrong with the description of a kind. It is for the
// tests of whoever wrote it.
func (f *Form) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("kind %q: "+format, append([]any{f.Scheme}, args...)...))
	}
	if !schemeSyntax.MatchString(f.Scheme) {
		bad("the scheme is not of lower-case letters, digits and dashes")
	}
	if !strings.HasPrefix(f.Usage, f.Scheme+":") {
		bad("usage %q does not begin with the scheme", f.Usage)
	}
	if f.Summary == "" || strings.ContainsAny(f.Summary+f.Usage, "\n|") {
		bad("usage and summary must be one line each, without a vertical bar")
	}
	if f.Credentials != "" && !slices.ContainsFunc(f.Params, func(p Param) bool { return strings.Contains(f.Credentials, p.Name) }) {
		bad("credentials %q name no parameter", f.Credentials)
	}
	seen := map[string]bool{}
	for i := range f.Params {
		p := &f.Params[i]
		switch {
		case !paramNameSyntax.MatchString(p.Name) || seen[p.Name]:
			bad("parameter %q: the name is not proper, or there twice", p.Name)
		case p.Meaning == "" || strings.ContainsAny(p.Meaning, "\n|"):
			bad("parameter %q: the meaning must be one line, without a vertical bar", p.Name)
		case (p.Type == Choice) != (len(p.Choices) > 0):
			bad("parameter %q: a choice, and only that, has choices", p.Name)
		case p.Required && p.Default != "":
			bad("parameter %q: one that is required has no default", p.Name)
		case p.Min > p.Max && p.Max != 0 || p.Min != 0 && p.Max == 0:
			bad("parameter %q: there is nothing from %d to %d", p.Name, p.Min, p.Max)
		case p.Default != "":
			if _, err := p.parse(p.Default); err != nil {
				bad("parameter %q: default: %w", p.Name, err)
			}
		}
		seen[p.Name] = true
	}
	return errors.Join(errs...)
}

// param returns the parameter of that name, or nil.
func (f *Form) param(name string) *Param {
	i := slices.IndexFunc(f.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Params[i]
}

func (f *Form) paramNames() []string {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name
	}
	return names
}
