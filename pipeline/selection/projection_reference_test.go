package selection

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// reference is a projection as it is meant: it decodes the object, finds each value that
// each path names, and then writes what remains. Its only merit is that it is easy to
// believe.
type reference struct {
	kept              [][]path
	dropped, redacted []path
	key               []byte

	keeps        []map[*tree]bool // what each group names
	drops, hides map[*tree]bool
	inside       map[*tree]bool // some path goes on inside of it
	reached      map[*tree]bool // some path to keep leads to it or through it
	hashed       int
}

// tree is a decoded value that remembers how it was written.
type tree struct {
	raw      []byte
	keys     []string // of an object, as they are meant
	rawKeys  []string
	children []*tree
}

func (t *tree) object() bool { return t.raw[0] == '{' }
func (t *tree) list() bool   { return t.raw[0] == '[' }

// parse decodes a JSON value. It returns nil if an object in it has a key twice.
func parse(text []byte) *tree {
	t := &tree{raw: bytes.TrimSpace(text)}
	if !t.object() && !t.list() {
		return t
	}
	d := json.NewDecoder(bytes.NewReader(t.raw))
	must(d.Token())
	for d.More() {
		if t.object() {
			from := d.InputOffset()
			key := must(d.Token()).(string)
			if slices.Contains(t.keys, key) {
				return nil
			}
			t.keys = append(t.keys, key)
			t.rawKeys = append(t.rawKeys, strings.TrimLeft(string(t.raw[from:d.InputOffset()]), ", \t\r\n"))
		}
		var child json.RawMessage
		if err := d.Decode(&child); err != nil {
			panic(err)
		}
		c := parse(child)
		if c == nil {
			return nil
		}
		t.children = append(t.children, c)
	}
	return t
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// find returns the values that the path names, and calls through with each value that
// it leads through.
func (t *tree) find(p path, through func(*tree)) (found []*tree) {
	if len(p) == 0 {
		return []*tree{t}
	}
	through(t)
	for i, child := range t.children {
		next := p[0]
		var leads bool
		switch next.kind {
		case stepKey:
			leads = t.object() && t.keys[i] == next.key
		case stepEach:
			leads = true
		case stepIndex:
			leads = t.list() && i == next.index
		case stepMatch:
			leads = t.list() && child.has(next)
		}
		if leads {
			found = append(found, child.find(p[1:], through)...)
		}
	}
	return found
}

func (t *tree) has(s step) bool {
	i := slices.Index(t.keys, s.key)
	if i < 0 || !t.object() {
		return false
	}
	var v any
	d := json.NewDecoder(bytes.NewReader(t.children[i].raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return false
	}
	switch v := v.(type) {
	case string:
		return v == s.value
	case json.Number, bool, nil:
		return !s.text && string(t.children[i].raw) == s.value
	}
	return false
}

func (r *reference) project(object *tree) []byte {
	r.drops, r.hides, r.inside, r.reached, r.hashed, r.keeps = map[*tree]bool{}, map[*tree]bool{}, map[*tree]bool{}, map[*tree]bool{}, 0, nil
	for _, group := range r.kept {
		named := map[*tree]bool{}
		for _, p := range group {
			for _, t := range object.find(p, func(t *tree) { r.inside[t], r.reached[t] = true, true }) {
				named[t], r.reached[t] = true, true
			}
		}
		r.keeps = append(r.keeps, named)
	}
	for paths, named := range map[*[]path]map[*tree]bool{&r.dropped: r.drops, &r.redacted: r.hides} {
		for _, p := range *paths {
			for _, t := range object.find(p, func(t *tree) { r.inside[t] = true }) {
				named[t] = true
			}
		}
	}
	if text, some := r.write(object, make([]bool, len(r.kept))); some {
		return text
	}
	return []byte("{}")
}

func (r *reference) write(t *tree, kept []bool) (text []byte, some bool) {
	if r.drops[t] {
		return nil, false
	}
	kept = slices.Clone(kept)
	for i, named := range r.keeps {
		kept[i] = kept[i] || named[t]
	}
	all := !slices.Contains(kept, false)
	switch {
	case r.hides[t]:
		if !all || r.hashed == maxRedacted {
			return nil, false
		}
		r.hashed++
		h := hmac.New(sha256.New, r.key)
		h.Write(t.canonical())
		return []byte(`"hmac-sha256:` + hex.EncodeToString(h.Sum(nil)) + `"`), true
	case !r.inside[t] || !t.object() && !t.list():
		return t.raw, all
	}
	var parts []string
	for i, child := range t.children {
		if !all && !r.reached[child] {
			continue
		}
		part, one := r.write(child, kept)
		some = some || one
		switch {
		case t.object() && one:
			parts = append(parts, t.rawKeys[i]+":"+string(part))
		case t.list() && one:
			parts = append(parts, string(part))
		case t.list() && !r.drops[child] && !r.hides[child] && child.object():
			parts = append(parts, "{}")
		case t.list() && !r.drops[child] && !r.hides[child] && child.list():
			parts = append(parts, "[]")
		}
	}
	inner := strings.Join(parts, ",")
	if t.object() {
		return []byte("{" + inner + "}"), some || all
	}
	return []byte("[" + inner + "]"), some || all
}

// canonical writes strings as they are meant, and no white space.
func (t *tree) canonical() []byte {
	var parts []string
	for i, child := range t.children {
		part := string(child.canonical())
		if t.object() {
			part = quoted(t.keys[i]) + ":" + part
		}
		parts = append(parts, part)
	}
	inner := strings.Join(parts, ",")
	switch {
	case t.object():
		return []byte("{" + inner + "}")
	case t.list():
		return []byte("[" + inner + "]")
	case t.raw[0] == '"':
		var text string
		if err := json.Unmarshal(t.raw, &text); err != nil {
			panic(err)
		}
		return []byte(quoted(text))
	}
	return t.raw
}
