package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// read reads what follows the scheme. It returns false unless what stands before the
// parameters is right. Where the parts of the text begin cannot always be told: then
// it says only that, as a credential may be in any of them.
func (v *Value) read(rest string) (errs []error, sound bool) {
	f := v.form
	var query string
	if f.Rest.isURL() {
		if misplaced(rest) {
			return []error{f.noCredentials("the text has an @ behind the host; if it belongs to a password, that")}, false
		}
		v.Rest, query, v.HasQuery = strings.Cut(rest, "?")
		errs = v.readURL()
	} else if f.Rest == Literal {
		v.Rest, query, v.HasQuery = f.cutLiteral(rest)
	} else {
		v.Rest, query, v.HasQuery = strings.Cut(rest, "?")
	}
	switch {
	case f.Rest == Nothing && v.Rest != "":
		errs = append(errs, fmt.Errorf("nothing may follow the colon but parameters; write %s", f.Usage))
	case (f.Rest == Required || f.Rest == Literal) && v.Rest == "":
		errs = append(errs, fmt.Errorf("nothing follows the colon; write %s", f.Usage))
	}
	sound = len(errs) == 0
	guarded := !sound || v.mayHoldPassword(query)
	wrong := v.readParams(query, guarded)
	return append(errs, wrong...), sound && !(guarded && len(wrong) > 0)
}

// mayHoldPassword reports whether any part of the parameters may be one of a
// password: one with an ampersand or a question mark ends up in several.
func (v *Value) mayHoldPassword(query string) bool {
	if !v.form.Rest.isURL() && (strings.HasPrefix(v.Rest, "//") || holdsPassword(v.Rest)) {
		return true
	}
	for part := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == '?' }) {
		name, _, _ := strings.Cut(part, "=")
		if v.form.param(name) == nil && (credentialIn(name) != "" || !paramNameSyntax.MatchString(name)) {
			return true
		}
	}
	return false
}

// cutLiteral finds where parameters begin in a text that may hold question marks, as their
// values may: at the first one that the name of a parameter and an equals sign follow.
func (f *Form) cutLiteral(rest string) (path, query string, found bool) {
	for at := range len(rest) {
		if rest[at] != '?' {
			continue
		}
		query := rest[at+1:]
		end := strings.IndexAny(query, "?=")
		isParam := func(p Param) bool { return letters(p.Name) == letters(query[:end]) }
		if end >= 0 && query[end] == '=' && slices.ContainsFunc(f.Params, isParam) {
			return rest[:at], query, true
		}
	}
	return rest, "", false
}

// readParams reads NAME=VALUE&NAME=VALUE. A List and Texts may be given several times. No error
// quotes anything if the text is guarded.
func (v *Value) readParams(query string, guarded bool) (errs []error) {
	f := v.form
	v.params = map[string]any{}
	named := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, escaped, equals := strings.Cut(pair, "=")
		p := f.param(name)
		if p == nil {
			errs = append(errs, f.unknownParam(name, equals, guarded))
			continue
		}
		if named[name] && p.Type != List && p.Type != Texts {
			errs = append(errs, fmt.Errorf("%s is given twice; remove one", name))
			continue
		}
		named[name] = true
		value, err := p.parse(escaped)
		switch {
		case err != nil && guarded && p.Type == Choice:
			err = fmt.Errorf("the value is not one of %s", strings.Join(p.Choices, ", "))
		case err != nil && guarded:
			err = fmt.Errorf("the value is not of type %s, or out of range", p.Type)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if before, ok := v.params[name].([]string); ok {
			value = slices.Concat(before, value.([]string))
		}
		v.params[name] = value
	}
	for i := range f.Params {
		if p := &f.Params[i]; p.Required && !named[p.Name] {
			errs = append(errs, fmt.Errorf("%s is not given: %s; write %s", p.Name, p.Meaning, f.Usage))
		}
	}
	return errs
}

// credentialNames are parts of the names of parameters that would hold one.
var credentialNames = []string{"password", "passwd", "pwd", "token", "secret", "apikey", "accesskey", "credential"}

// credentialIn returns the part of a parameter's name that says that it holds a
// credential, or "".
func credentialIn(name string) string {
	name = letters(name)
	i := slices.IndexFunc(credentialNames, func(part string) bool { return strings.Contains(name, part) })
	if i < 0 {
		return ""
	}
	return credentialNames[i]
}

// unknownParam names the parameter only where it is certainly no part of a password.
func (f *Form) unknownParam(name string, equals, guarded bool) error {
	if part := credentialIn(name); part == letters(name) && part != "" {
		return f.noCredentials("parameter " + part)
	} else if part != "" {
		return f.noCredentials(fmt.Sprintf("a parameter with %q in its name", part))
	}
	if !paramNameSyntax.MatchString(name) {
		return errors.New("a parameter has no proper name: write NAME=VALUE, and %26 for an ampersand in a value")
	}
	known := f.paramNames()
	meant := didYouMean(Nearest(name, known))
	what := "parameter " + name
	if guarded || !equals && meant == "" {
		what, meant = "a parameter", ""
	}
	if meant != "" {
		return fmt.Errorf("%s is unknown%s", what, meant)
	}
	if len(known) == 0 {
		return fmt.Errorf("%s is unknown; %s: has none", what, f.Scheme)
	}
	return fmt.Errorf("%s is unknown; %s: has %s", what, f.Scheme, strings.Join(known, ", "))
}

// noCredentials refuses what would show a credential to everybody who sees the
// command line.
func (f *Form) noCredentials(what string) error {
	if f.Credentials == "" {
		return fmt.Errorf("%s would be shown to all who see this process; %s: takes no credential", what, f.Scheme)
	}
	return fmt.Errorf("%s would be shown to all who see this process; give %s instead", what, f.Credentials)
}
