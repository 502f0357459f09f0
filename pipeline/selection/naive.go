package selection

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// This file decodes objects. It says what is meant, not how it is done well.

// fieldRule is one path of one rule.
type fieldRule struct {
	pattern
	kind  string // changed, unchanged, drop, redact, only
	path  string
	key   []byte // of redact
	group int    // of which rules it was, once they are merged
}

// presets are texts of Unchanged, by name.
var presets = map[string][]string{
	"heartbeats": {"nodes: status.conditions[*].lastHeartbeatTime", "leases.coordination.k8s.io: spec.renewTime"},
}

var identity = []string{"apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion"}

func parseFieldRules(t Texts, o ParseOptions) (all []fieldRule, err error) {
	var errs []error
	add := func(kind string, rules []string) {
		for _, rule := range rules {
			p, _, text, err := splitRule(rule)
			for path := range strings.SplitSeq(text, ",") {
				path = strings.TrimSpace(path)
				if path == "" {
					err = errors.New("names no field; write a path such as spec or status.phase")
				}
				if (kind == "drop" || kind == "redact") && slices.Contains(identity, path) {
					err = fmt.Errorf("%s identifies the object and cannot be left out", path)
				}
				if strings.HasPrefix(path, "metadata.managedFields") {
					err = fmt.Errorf("%s is removed before", path)
				}
				all = append(all, fieldRule{pattern: p, kind: kind, path: path, key: o.RedactKey})
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %.200q: %w", kind, rule, err))
			}
		}
	}
	if len(t.Redact) > 0 && len(o.RedactKey) == 0 {
		errs = append(errs, errors.New("redact needs a key for its hashes"))
	}
	add("changed", t.Changed)
	add("unchanged", t.Unchanged)
	add("drop", t.Drop)
	add("redact", t.Redact)
	add("only", t.Only)
	for _, rule := range t.Preset {
		_, _, name, err := splitRule(rule)
		if texts, known := presets[name]; err == nil && known {
			add("unchanged", texts)
		} else {
			errs = append(errs, errors.Join(err, fmt.Errorf("preset %.200q is not known", rule)))
		}
	}
	return all, errors.Join(errs...)
}

// fields are the field rules of a program.
type fields struct{ rules []fieldRule }

func newFields(rules []fieldRule) *fields { return &fields{rules} }

func (f *fields) of(kinds ...string) (found []fieldRule) {
	if f != nil {
		for _, r := range f.rules {
			if slices.Contains(kinds, r.kind) {
				found = append(found, r)
			}
		}
	}
	return found
}

func (f *fields) text(kinds ...string) string {
	var texts []string
	for _, r := range f.of(kinds...) {
		texts = append(texts, fmt.Sprintf("%s:%d:%s", r.kind, r.group, r.path))
		if r.kind == "redact" {
			sum := sha256.Sum256(r.key)
			texts = append(texts, "key:"+hex.EncodeToString(sum[:4]))
		}
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}

func (f *fields) shape() string { return f.text("drop", "redact", "only") }

func (f *fields) whole() bool {
	if len(f.of("changed", "unchanged")) == 0 {
		return false
	}
	changed := f.of("changed")
	return len(changed) == 0 || slices.ContainsFunc(changed, func(r fieldRule) bool { return !strings.HasPrefix(r.path, "metadata.") })
}

func (f *fields) digest(o Object) (uint64, bool) {
	if len(f.of("changed", "unchanged")) == 0 || o.Metadata && f.whole() {
		return 0, false
	}
	object := decode(o.JSON)
	if metadata, ok := object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
		delete(metadata, "resourceVersion")
	}
	delete(object, "apiVersion")
	delete(object, "kind")
	var v any = object
	for _, r := range f.of("unchanged") {
		v = edit(v, pathSteps(r.path), func(any) (any, bool) { return nil, false })
	}
	if changed := f.of("changed"); len(changed) > 0 {
		v = project(v, changed)
	}
	text, _ := json.Marshal(v)
	h := fnv.New64a()
	h.Write([]byte(f.text("changed", "unchanged")))
	h.Write(text)
	return max(h.Sum64(), 1), true
}

func (f *fields) shapedSize(n int) int { return n + 256*(80) + len(identity)*64 }

func (f *fields) appendShaped(to, object []byte) []byte {
	if f.shape() == "" {
		return append(to, object...)
	}
	var v any = decode(object)
	for _, r := range f.of("drop") {
		v = edit(v, pathSteps(r.path), func(any) (any, bool) { return nil, false })
	}
	for _, r := range f.of("redact") {
		v = edit(v, pathSteps(r.path), func(old any) (any, bool) {
			h := hmac.New(sha256.New, r.key)
			text, _ := json.Marshal(old)
			h.Write(text)
			return "hmac-sha256:" + hex.EncodeToString(h.Sum(nil)), true
		})
	}
	groups := map[int][]fieldRule{}
	for _, r := range f.of("only") {
		groups[r.group] = append(groups[r.group], r)
	}
	for _, rules := range groups {
		for _, path := range identity {
			rules = append(rules, fieldRule{path: path})
		}
		v = project(v, rules)
	}
	text, _ := json.Marshal(v)
	return append(to, text...)
}

func decode(text []byte) (object map[string]any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&object)
	return object
}

// pathSteps splits a path into names, [*] and [?name=value].
func pathSteps(path string) (steps []string) {
	for path != "" {
		end := strings.IndexAny(path, ".[")
		switch {
		case end > 0:
			steps, path = append(steps, path[:end]), path[end:]
		case end < 0:
			return append(steps, path)
		case path[0] == '.':
			path = path[1:]
		default:
			inner, rest, _ := strings.Cut(path[1:], "]")
			if name, quoted := strings.CutPrefix(inner, "'"); quoted {
				steps = append(steps, strings.TrimSuffix(name, "'"))
			} else {
				steps = append(steps, "["+inner+"]")
			}
			path = rest
		}
	}
	return steps
}

// edit replaces or removes what the steps lead to.
func edit(v any, steps []string, with func(any) (any, bool)) any {
	if len(steps) == 0 {
		return v
	}
	last := len(steps) == 1
	switch v := v.(type) {
	case map[string]any:
		old, there := v[steps[0]]
		if !there {
			return v
		}
		if !last {
			v[steps[0]] = edit(old, steps[1:], with)
		} else if now, keep := with(old); keep {
			v[steps[0]] = now
		} else {
			delete(v, steps[0])
		}
	case []any:
		var kept []any
		for _, element := range v {
			if !stepMatches(steps[0], element) {
				kept = append(kept, element)
			} else if !last {
				kept = append(kept, edit(element, steps[1:], with))
			} else if now, keep := with(element); keep {
				kept = append(kept, now)
			}
		}
		return kept
	}
	return v
}

func stepMatches(step string, element any) bool {
	if step == "[*]" {
		return true
	}
	name, value, found := strings.Cut(strings.Trim(step, "[]?"), "=")
	member, ok := element.(map[string]any)
	return ok && found && member[name] == strings.Trim(value, `'"`)
}

// project keeps what any of the paths leads to.
func project(v any, rules []fieldRule) any {
	var kept any = map[string]any{}
	for _, r := range rules {
		kept = merge(kept, narrow(v, pathSteps(r.path)))
	}
	return kept
}

func narrow(v any, steps []string) any {
	if len(steps) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		if inner := narrow(v[steps[0]], steps[1:]); inner != nil {
			return map[string]any{steps[0]: inner}
		}
	case []any:
		var kept []any
		for _, element := range v {
			var inner any
			if stepMatches(steps[0], element) {
				inner = narrow(element, steps[1:])
			}
			kept = append(kept, inner)
		}
		return kept
	}
	return nil
}

func merge(a, b any) any {
	switch b := b.(type) {
	case map[string]any:
		to, ok := a.(map[string]any)
		if !ok {
			return b
		}
		for name, v := range b {
			to[name] = merge(to[name], v)
		}
		return to
	case []any:
		to, ok := a.([]any)
		if !ok {
			return b
		}
		for i := range min(len(to), len(b)) {
			to[i] = merge(to[i], b[i])
		}
		return to
	case nil:
		return a
	}
	return b
}
