package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

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
	// Known are the other keys, with their meanings, for the schema. Unless Open is set,
	// there are no others.
	Known map[string]string
	// Open: Compose tells which other keys there are, as that depends on the text.
	Open bool
	// Compose returns the flag's value. The order of the pairs is that of the document. A
	// key with a list is several pairs of that name.
	Compose func(text string, pairs []spec.Pair) (string, error)
}

// Setting is what a document says of a flag.
type Setting struct {
	Flag, Key string
	Line      int // of the key; the first one is 1
	Values    []string
	Lines     []int // of the values
}

// The bounds of a document beside its size.
const (
	maxItems  = 10_000   // of a list
	maxScalar = 64 << 10 // bytes of a value
	maxErrors = 20       // those beyond are counted
)

// keySyntax is that of all keys that there are. One of another form is not shown: it may be
// a value that was meant, and hold a password.
var keySyntax = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,62}$`)

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
	r.known = r.keys()
	r.document(top)
	if r.more > 0 {
		r.errs = append(r.errs, fmt.Errorf("and %d more", r.more))
	}
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
	known []string               // keys
	read  Document
	errs  []error
	more  int // errors beyond maxErrors
}

func (r *reading) wrong(line int, format string, args ...any) {
	if len(r.errs) == maxErrors {
		r.more++
		return
	}
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
			r.wrong(line, "%s", r.unknown(key, r.known))
			return
		}
		set := Setting{Flag: flag.Name, Key: key, Line: line}
		r.values(&set, flag, value)
		if len(set.Values) > 0 {
			r.read = append(r.read, set)
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
		case k.Kind != yaml.ScalarNode || k.Tag != "!!merge" && !keySyntax.MatchString(k.Value):
			r.wrong(k.Line, "a key is no name; a value that has a colon is written in quotes")
		case k.Tag == "!!merge":
			r.wrong(k.Line, "merges are not read; write the values out")
		case k.Anchor != "" || k.Style&yaml.TaggedStyle != 0:
			r.wrong(k.Line, "%s: a key has no anchor and no tag", k.Value)
		case twice:
			r.wrong(k.Line, "%s is there already, in line %d; keep one", k.Value, before)
		default:
			lines[k.Value] = k.Line
			read(k.Value, k.Line, v)
		}
	}
}

// plain reports whether a node has neither anchor nor tag, and is no alias.
func (r *reading) plain(key string, n *yaml.Node) bool {
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		r.wrong(n.Line, "%s: anchors and aliases are not read; write the value out", key)
	case n.Style&yaml.TaggedStyle != 0:
		r.wrong(n.Line, "%s: tags are not read; leave it out", key)
	default:
		return true
	}
	return false
}

// scalar returns a value that is one. A text over several lines ends without a newline.
func (r *reading) scalar(key string, n *yaml.Node) (string, bool) {
	if !r.plain(key, n) {
		return "", false
	}
	value := n.Value
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		value = strings.TrimRight(value, "\n")
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.wrong(n.Line, "%s is a list or a mapping; give one value", key)
	case n.Tag == "!!null":
		r.wrong(n.Line, "%s has no value; give one or leave the key out", key)
	case len(value) > maxScalar:
		r.wrong(n.Line, "%s has %d bytes; it may have %d", key, len(value), maxScalar)
	case strings.ContainsFunc(value, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }):
		r.wrong(n.Line, "%s holds a control character", key)
	default:
		return value, true
	}
	return "", false
}

// values reads the values of a flag.
func (r *reading) values(to *Setting, flag *pflag.Flag, n *yaml.Node) {
	add := func(value string, line int) {
		to.Values, to.Lines = append(to.Values, value), append(to.Lines, line)
	}
	if !isList(flag) {
		if value, ok := r.scalar(to.Key, n); ok {
			add(value, n.Line)
		}
		return
	}
	if !r.plain(to.Key, n) {
		return
	}
	switch {
	case n.Kind != yaml.SequenceNode:
		r.wrong(n.Line, "%s is no list; write each value in a line of its own that begins with a dash", to.Key)
		return
	case len(n.Content) == 0:
		r.wrong(n.Line, "%s is an empty list; give a value or leave the key out", to.Key)
	case len(n.Content) > maxItems:
		r.wrong(n.Line, "%s has %d values; it may have %d", to.Key, len(n.Content), maxItems)
		return
	}
	form, mappings := r.Items[flag.Name]
	for i, item := range n.Content {
		place := fmt.Sprintf("%s[%d]", to.Key, i)
		read := r.scalar
		if mappings && item.Kind == yaml.MappingNode {
			read = func(place string, m *yaml.Node) (string, bool) { return r.mapping(place, form, m) }
		}
		if value, ok := read(place, item); ok {
			add(value, item.Line)
		}
	}
}

// mapping returns the value that a mapping stands for.
func (r *reading) mapping(place string, form Item, m *yaml.Node) (string, bool) {
	if !r.plain(place, m) {
		return "", false
	}
	if len(m.Content) == 2 && m.Content[1].Tag == "!!null" && m.Content[0].Value != form.Text {
		r.wrong(m.Line, "%s: YAML reads a text that ends with a colon as a key without a value; write it in quotes", place)
		return "", false
	}
	before := len(r.errs) + r.more
	var text string
	var found bool
	var pairs []spec.Pair
	r.members(m, func(key string, line int, value *yaml.Node) {
		inner := place + "." + key
		_, known := form.Known[key]
		switch {
		case key == form.Text:
			text, _ = r.scalar(inner, value)
			found = true
		case !known && !form.Open:
			r.wrong(line, "%s: %s", place, r.unknown(key, append(slices.Sorted(maps.Keys(form.Known)), form.Text)))
		case value.Kind == yaml.SequenceNode && r.plain(inner, value):
			for i, item := range value.Content {
				if v, ok := r.scalar(fmt.Sprintf("%s[%d]", inner, i), item); ok {
					pairs = append(pairs, spec.Pair{Name: key, Value: v})
				}
			}
		case value.Kind != yaml.SequenceNode:
			if v, ok := r.scalar(inner, value); ok {
				pairs = append(pairs, spec.Pair{Name: key, Value: v})
			}
		}
	})
	if !found {
		r.wrong(m.Line, "%s has no %s, %s", place, form.Text, form.Meaning)
	}
	if len(r.errs)+r.more > before {
		return "", false
	}
	value, err := form.Compose(text, pairs)
	if err != nil {
		r.wrong(m.Line, "%s: %w", place, err)
		return "", false
	}
	return value, true
}

// isList reports whether a flag can be given several times.
func isList(flag *pflag.Flag) bool { return flag.Value.Type() == "stringArray" }

// Apply sets the flags, but for those that have been set, of which it returns the keys.
// What a flag's own parser says of a value is an error with the key and its line.
func (d Document) Apply(flags *pflag.FlagSet) (set, skipped []Setting, err error) {
	var errs []error
	for _, s := range d {
		if flags.Changed(s.Flag) {
			skipped = append(skipped, s)
			continue
		}
		for i, value := range s.Values {
			if err := flags.Lookup(s.Flag).Value.Set(value); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %s: %w", s.Lines[i], s.Key, err))
			}
		}
		set = append(set, s)
	}
	return set, skipped, errors.Join(errs...)
}
