package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// MaxSize bounds a document, in bytes. A ConfigMap holds no more.
const MaxSize = 1 << 20

// Format is a kind of document.
type Format struct {
	APIVersion, Kind string
	// Flags are those that a document may set.
	Flags *pflag.FlagSet
	// Not are names of flags that it may not set.
	Not []string
	// Keys are the keys of flags whose key is not their name in lower camel case.
	Keys map[string]string
	// Items says, by flag, how an item of its list may be a mapping.
	Items map[string]Item
}

// Item says how a mapping is written as a value of a flag.
type Item struct {
	// Text is the required key of the mapping. Its value is what the flag's value begins
	// with.
	Text string
	// Meaning says in a few words what that is.
	Meaning string
	// Known are the other keys. Empty: any; the flag's parser tells which there are.
	Known []string
	// Compose returns the flag's value. The order of the parameters is that of the
	// document. A key with a list is several parameters of that name.
	Compose func(text string, params []Param) (string, error)
}

// Param is a key of a mapping, and its value.
type Param struct{ Name, Value string }

// Setting is what a document says of a flag.
type Setting struct {
	Flag, Key string
	Line      int // of the key; the first one is 1
	Values    []string
}

// Document is what a document says, in its order.
type Document []Setting

// Key returns the key of a flag.
func (f *Format) Key(flag string) string {
	if key, ok := f.Keys[flag]; ok {
		return key
	}
	words := strings.Split(flag, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// flags returns the flags by their keys.
func (f *Format) flags() map[string]*pflag.Flag {
	all := map[string]*pflag.Flag{}
	f.Flags.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(f.Not, flag.Name) {
			all[f.Key(flag.Name)] = flag
		}
	})
	return all
}

// Read returns what a document says. The error joins all that is wrong with it.
func (f *Format) Read(text []byte) (Document, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("the document has %d bytes; it may have %d", len(text), MaxSize)
	}
	top, err := parse(text)
	if err != nil {
		return nil, err
	}
	r := reading{Format: f, flags: f.flags()}
	r.document(top)
	return r.read, errors.Join(r.errs...)
}

// parse returns the mapping that a text consists of.
func parse(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the document is empty")
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("there are several documents; give one")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the document is no mapping of keys to values, such as \"clusterQps: 50\"")
	}
	return doc.Content[0], nil
}

// reading is one Read.
type reading struct {
	*Format
	flags map[string]*pflag.Flag // by key
	read  Document
	errs  []error
}

func (r *reading) wrong(line int, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...)))
}

// document reads the keys at the top.
func (r *reading) document(top *yaml.Node) {
	header := map[string]string{"apiVersion": r.APIVersion, "kind": r.Kind}
	r.members(top, func(key string, line int, value *yaml.Node) {
		if want, ok := header[key]; ok {
			delete(header, key)
			if got, ok := r.scalar(key, value); ok && got != want {
				r.wrong(line, "%s is %q; this program reads %q", key, got, want)
			}
			return
		}
		flag, ok := r.flags[key]
		if !ok {
			r.wrong(line, "%s", r.unknown(key, r.keys()))
			return
		}
		if values := r.values(key, flag, value); len(values) > 0 {
			r.read = append(r.read, Setting{Flag: flag.Name, Key: key, Line: line, Values: values})
		}
	})
	for _, key := range []string{"apiVersion", "kind"} {
		if want, ok := header[key]; ok {
			r.wrong(top.Line, "there is no %s; write \"%s: %s\"", key, key, want)
		}
	}
}

func (r *reading) keys() []string {
	keys := []string{"apiVersion", "kind"}
	for key := range r.flags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// unknown says of a key that there is none, and what may have been meant.
func (r *reading) unknown(key string, known []string) string {
	text := fmt.Sprintf("unknown key %q", key)
	if flag := r.Flags.Lookup(key); flag != nil && slices.Contains(known, r.Key(key)) {
		return fmt.Sprintf("%s; the key of --%s is %s", text, key, r.Key(key))
	}
	if slices.Contains(r.Not, key) {
		return text + "; it can only be a flag of the command line"
	}
	if near := spec.Nearest(key, known); len(near) > 0 {
		return text + "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return text
}

// members calls read with each key of a mapping and its value.
func (r *reading) members(m *yaml.Node, read func(key string, line int, value *yaml.Node)) {
	lines := map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		switch before, twice := lines[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			r.wrong(k.Line, "a key is no text")
		case k.Tag == "!!merge", k.Anchor != "", v.Anchor != "", v.Kind == yaml.AliasNode:
			r.wrong(k.Line, "%s: anchors, aliases and merges are not read; write the value out", k.Value)
		case twice:
			r.wrong(k.Line, "%s is there already, in line %d; keep one", k.Value, before)
		default:
			lines[k.Value] = k.Line
			read(k.Value, k.Line, v)
		}
	}
}

// scalar returns a value that is one.
func (r *reading) scalar(key string, n *yaml.Node) (string, bool) {
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		r.wrong(n.Line, "%s: anchors and aliases are not read; write the value out", key)
	case n.Kind != yaml.ScalarNode:
		r.wrong(n.Line, "%s is a list or a mapping; give one value", key)
	case n.Tag == "!!null":
		r.wrong(n.Line, "%s has no value; give one or leave the key out", key)
	case strings.ContainsRune(n.Value, 0):
		r.wrong(n.Line, "%s holds a zero byte", key)
	default:
		return n.Value, true
	}
	return "", false
}

// values returns the values of a flag.
func (r *reading) values(key string, flag *pflag.Flag, n *yaml.Node) []string {
	if !isList(flag) {
		if value, ok := r.scalar(key, n); ok {
			return []string{value}
		}
		return nil
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.wrong(n.Line, "%s: anchors and aliases are not read; write the value out", key)
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.wrong(n.Line, "%s is no list; write each value in a line of its own that begins with a dash", key)
		return nil
	}
	if len(n.Content) == 0 {
		r.wrong(n.Line, "%s is an empty list; give a value or leave the key out", key)
	}
	var values []string
	for i, item := range n.Content {
		place := fmt.Sprintf("%s[%d]", key, i)
		form, ok := r.Items[flag.Name]
		if !ok || item.Kind != yaml.MappingNode {
			if value, ok := r.scalar(place, item); ok {
				values = append(values, value)
			}
			continue
		}
		if value, ok := r.mapping(place, form, item); ok {
			values = append(values, value)
		}
	}
	return values
}

// mapping returns the value that a mapping stands for.
func (r *reading) mapping(place string, form Item, m *yaml.Node) (string, bool) {
	before := len(r.errs)
	if m.Anchor != "" {
		r.wrong(m.Line, "%s: anchors and aliases are not read; write the value out", place)
	}
	if len(m.Content) == 2 && m.Content[1].Tag == "!!null" && m.Content[0].Value != form.Text {
		r.wrong(m.Line, "%s: YAML reads %s: as a key without a value; write it in quotes: \"%s:\"", place, m.Content[0].Value, m.Content[0].Value)
		return "", false
	}
	var text string
	var found bool
	var params []Param
	r.members(m, func(key string, line int, value *yaml.Node) {
		inner := place + "." + key
		switch {
		case key == form.Text:
			text, _ = r.scalar(inner, value)
			found = true
		case len(form.Known) > 0 && !slices.Contains(form.Known, key):
			r.wrong(line, "%s: %s", place, r.unknown(key, append([]string{form.Text}, form.Known...)))
		case value.Kind == yaml.SequenceNode && value.Anchor == "":
			for i, item := range value.Content {
				if v, ok := r.scalar(fmt.Sprintf("%s[%d]", inner, i), item); ok {
					params = append(params, Param{key, v})
				}
			}
		default:
			if v, ok := r.scalar(inner, value); ok {
				params = append(params, Param{key, v})
			}
		}
	})
	if !found {
		r.wrong(m.Line, "%s has no %s, %s", place, form.Text, form.Meaning)
	}
	if len(r.errs) > before {
		return "", false
	}
	value, err := form.Compose(text, params)
	if err != nil {
		r.wrong(m.Line, "%s: %w", place, err)
		return "", false
	}
	return value, true
}

// isList reports whether a flag can be given several times.
func isList(flag *pflag.Flag) bool { return flag.Value.Type() == "stringArray" }

// Apply sets the flags, but for those that have been set. It returns which it has set.
// What a flag's own parser says of a value is an error with the key and its line.
func (d Document) Apply(flags *pflag.FlagSet) (set []Setting, err error) {
	var errs []error
	for _, s := range d {
		if flags.Changed(s.Flag) {
			continue
		}
		for _, value := range s.Values {
			if err := flags.Lookup(s.Flag).Value.Set(value); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %s: %w", s.Line, s.Key, err))
			}
		}
		set = append(set, s)
	}
	return set, errors.Join(errs...)
}
