package spec

import (
	"fmt"
	"time"
)

// Value is a flag's text that has been understood. The methods that return a
// parameter return its default if it was not given. They panic if the kind has no
// parameter of that name and type.
type Value struct {
	// Text is the whole text, as given.
	Text string
	// Scheme is what stands before the first colon.
	Scheme string
	// Rest is what stands between the colon and the parameters, as given. Of a URL it
	// begins with two slashes, or with http: or https: before them.
	Rest string
	// User, Hosts and Path are the parts of a URL. A host is HOST or HOST:PORT, in
	// lower case. Path begins with a slash or is empty; User and Path are
	// percent-decoded. All are empty unless the form's Rest is URL or HTTP.
	User  string
	Hosts []string
	Path  string
	// Secure: it is HTTP, and begins with https:.
	Secure bool
	// HasQuery: a question mark follows that begins parameters, even if none is there.
	HasQuery bool

	form   *Form
	params map[string]any // those that were given
}

// Given reports whether the text has a parameter.
func (v *Value) Given(name string) bool {
	_, ok := v.params[name]
	return ok
}

// Str returns a parameter of type Text, Name, File or Choice.
func (v *Value) Str(name string) string { return get[string](v, name) }

// Bool returns a parameter of type Bool.
func (v *Value) Bool(name string) bool { return get[bool](v, name) }

// Int returns a parameter of type Integer or Bytes.
func (v *Value) Int(name string) int64 { return get[int64](v, name) }

// Duration returns a parameter of type Duration.
func (v *Value) Duration(name string) time.Duration { return get[time.Duration](v, name) }

// List returns a parameter of type List. The caller must not change it.
func (v *Value) List(name string) []string { return get[[]string](v, name) }

func get[T any](v *Value, name string) T {
	p := v.form.param(name)
	if p == nil {
		panic(fmt.Sprintf("spec: kind %s has no parameter %q", v.form.Scheme, name))
	}
	value, ok := v.params[name]
	if !ok {
		value = p.zero()
		if p.Default != "" {
			value, _ = p.parse(p.Default) // Validate has tried
		}
	}
	typed, ok := value.(T)
	if !ok {
		panic(fmt.Sprintf("spec: parameter %q of kind %s is of type %s", name, v.form.Scheme, p.Type))
	}
	return typed
}
