package selection

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// fieldRule is what one rule says about fields.
type fieldRule struct {
	pattern
	also  pattern // of a preset: for which resources it has the paths; nil: for all
	kind  fieldKind
	paths []path
	group int       // rules of one group hold together, see Merge
	key   *redactor // of redact

	digestKey []byte // of changed and unchanged
}

type fieldKind string

const (
	changedFields   fieldKind = "changed"
	unchangedFields fieldKind = "unchanged"
	droppedFields   fieldKind = "drop"
	redactedFields  fieldKind = "redact"
	onlyFields      fieldKind = "only"
)

func (f fieldRule) matches(r Resource) bool {
	return f.pattern.matches(r) && (f.also == nil || f.also.matches(r))
}

// parseFieldRules checks all texts that are about fields.
func parseFieldRules(t Texts, o ParseOptions) (rules []fieldRule, err error) {
	var errs []error
	for kind, texts := range map[fieldKind][]string{
		changedFields: t.Changed, unchangedFields: t.Unchanged, droppedFields: t.Drop, redactedFields: t.Redact, onlyFields: t.Only,
	} {
		for _, text := range texts {
			rule, err := parseFieldRule(kind, text)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s %.200q: %w", kind, text, err))
			}
			rules = append(rules, rule)
		}
	}
	for _, text := range t.Preset {
		preset, err := parsePresetRule(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("preset %.200q: %w", text, err))
		}
		rules = append(rules, preset...)
	}
	if len(t.Redact) > 0 {
		if len(o.RedactKey) < MinRedactKey {
			errs = append(errs, fmt.Errorf("redact needs a key of %d bytes or more, by which nobody can guess the values from their hashes, and this one has %d; name a file that holds one (--redact-key-file)",
				MinRedactKey, len(o.RedactKey)))
		}
		key := newRedactor(o.RedactKey)
		for i := range rules {
			if rules[i].kind == redactedFields {
				rules[i].key = key
			}
		}
	}
	digestKey := o.DigestKey
	if len(digestKey) == 0 {
		digestKey = processKey()
	}
	for i := range rules {
		rules[i].digestKey = digestKey
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return rules, errors.Join(errs...)
}

func parseFieldRule(kind fieldKind, text string) (rule fieldRule, err error) {
	rule.kind = kind
	p, _, text, err := splitRule(text)
	if err != nil {
		return rule, err
	}
	rule.pattern = p
	if rule.paths, err = parsePaths(text); err != nil {
		return rule, err
	}
	var errs []error
	for _, p := range rule.paths {
		err := p.check()
		if err == nil && (kind == droppedFields || kind == redactedFields) {
			err = p.spares()
		}
		errs = append(errs, err)
	}
	return rule, errors.Join(errs...)
}

// fields are the rules about fields of one resource, ready to be used. Nil has none.
type fields struct {
	digester *digester   // nil: every change counts
	shaper   *projection // nil: an object is delivered as it was read
	form     string      // the text of shaper
	redacted int         // how many values of an object are hashed at most
}

func newFields(rules []fieldRule) *fields {
	groups := map[fieldKind]map[int][]path{}
	all := map[fieldKind][]path{}
	var keys []*redactor
	for _, r := range rules {
		if groups[r.kind] == nil {
			groups[r.kind] = map[int][]path{}
		}
		groups[r.kind][r.group] = append(groups[r.kind][r.group], r.paths...)
		all[r.kind] = append(all[r.kind], r.paths...)
		if r.key != nil && !slices.Contains(keys, r.key) {
			keys = append(keys, r.key)
		}
	}
	f := &fields{}
	if len(all[changedFields])+len(all[unchangedFields]) > 0 {
		f.digester = newDigester(inOrder(groups[changedFields]), all[unchangedFields], rules[0].digestKey)
	}
	if len(all[droppedFields])+len(all[redactedFields])+len(all[onlyFields]) == 0 {
		return f
	}
	only := inOrder(groups[onlyFields])
	if !slices.ContainsFunc(all[onlyFields], func(p path) bool { return p.String() == lastApplied.String() }) {
		all[droppedFields] = append(all[droppedFields], lastApplied)
	}
	f.form = formText(only, all[droppedFields], all[redactedFields], keys)
	for i := range only {
		only[i] = append(only[i], identity...)
	}
	var key *redactor
	if len(keys) > 0 {
		key = keys[0]
	}
	f.shaper = newProjection(only, all[droppedFields], all[redactedFields], key)
	for _, p := range all[redactedFields] {
		if p.several() {
			f.redacted = maxRedacted
		}
		f.redacted = min(f.redacted+1, maxRedacted)
	}
	return f
}

// lastApplied is where kubectl apply keeps a copy of all that it was given. It goes with
// the fields that are not to be seen, since it may hold their values: those of labels and
// other annotations, too. Only a rule that names it keeps it.
var lastApplied = append(inMetadata("annotations"), step{key: "kubectl.kubernetes.io/last-applied-configuration"})

// several reports whether the path may name more than one value of an object.
func (p path) several() bool {
	return slices.ContainsFunc(p, func(s step) bool { return s.kind == stepEach || s.kind == stepMatch })
}

// inOrder returns the groups of paths, each once.
func inOrder(groups map[int][]path) (all [][]path) {
	seen := map[string]bool{}
	for _, number := range slices.Sorted(maps.Keys(groups)) {
		if text := pathsText(groups[number]); !seen[text] {
			seen[text] = true
			all = append(all, slices.Clone(groups[number]))
		}
	}
	return all
}

// pathsText is the text of a set of paths.
func pathsText(paths []path) string {
	var texts []string
	for _, p := range paths {
		texts = append(texts, p.String())
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ",")
}

func groupsText(name fieldKind, groups ...[]path) string {
	var texts []string
	for _, g := range groups {
		if len(g) > 0 {
			texts = append(texts, string(name)+"="+pathsText(g)+"\n")
		}
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), "")
}

func formText(only [][]path, dropped, redacted []path, keys []*redactor) string {
	text := groupsText(onlyFields, only...) + groupsText(droppedFields, dropped) + groupsText(redactedFields, redacted)
	for _, key := range keys {
		text += "key=" + key.id + "\n"
	}
	return text
}

func (f *fields) shape() string { return f.form }

func (f *fields) whole() bool { return f.digester != nil && !f.digester.metadata }

func (f *fields) digest(o Object) (uint64, bool) {
	if f.digester == nil || o.Metadata && !f.digester.metadata {
		return 0, false
	}
	return f.digester.digest(o.JSON), true
}

func (f *fields) shapedSize(n int) int {
	if f.redacted > n/2 {
		return n + (n/2)*redactedSize
	}
	return min(n, math.MaxInt-maxRedacted*redactedSize) + f.redacted*redactedSize
}

func (f *fields) appendShaped(to, object []byte) []byte {
	if f.shaper == nil {
		return append(to, object...)
	}
	return f.shaper.append(to, object)
}
