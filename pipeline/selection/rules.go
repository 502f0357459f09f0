package selection

import (
	"errors"
	"fmt"
)

// Texts are rules as users write them. Each is [RESOURCE: ]TEXT, where RESOURCE is
// plural[.group], *, *.group, or several of them with commas between. A rule without
// RESOURCE is for all resources; one of Where has to have it.
type Texts struct {
	Where     []string // expressions: objects for which one is false are not selected
	Changed   []string // paths of fields whose change is delivered; others' changes are not
	Unchanged []string // paths of fields whose change is not delivered
	Drop      []string // paths of fields that are not delivered
	Redact    []string // paths of fields of which a keyed hash is delivered
	Only      []string // paths of the fields that are delivered, beside the identity
	Preset    []string // names of rules that many want
}

// ParseOptions are what Parse needs beside the texts.
type ParseOptions struct {
	// RedactKey is the key of the hashes that redacted values are replaced by. Rules
	// with Redact need one.
	RedactKey []byte
	// DigestKey is the key of digests, of any length: secret, so that whoever may
	// write objects cannot make two of equal digests and hide a change, and the same
	// as long as digests are kept. Without one, each process has its own: then the
	// digests of another one tell nothing, and a change is delivered that need not be.
	DigestKey []byte
}

// Rules are checked and compiled. Nil has none.
type Rules struct {
	where  []whereRule
	fields []fieldRule
}

type whereRule struct {
	pattern
	*expression
}

// Parse checks and compiles the texts. Its error tells of every mistake.
func Parse(t Texts, o ParseOptions) (*Rules, error) {
	r := &Rules{}
	var errs []error
	for _, rule := range t.Where {
		p, named, text, err := splitRule(rule)
		if err == nil && !named {
			err = errors.New("names no resource; write RESOURCE: before the expression, such as pods: or *: for all")
		}
		var e *expression
		if err == nil {
			e, err = compile(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("where %.200q: %w", rule, err))
			continue
		}
		r.where = append(r.where, whereRule{p, e})
	}
	fields, err := parseFieldRules(t, o)
	r.fields = fields
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return r, nil
}

// Merge returns rules that hold if all of the given ones do: an object is selected if
// each selects it; a field's change counts if each of them that has Changed names it,
// and no Unchanged does; what any drops, redacts or does not list as Only is not
// delivered. Of no rules it returns nil.
func Merge(rules ...*Rules) *Rules {
	var merged Rules
	groups := 0
	for _, r := range rules {
		if r == nil {
			continue
		}
		merged.where = append(merged.where, r.where...)
		next := groups
		for _, f := range r.fields {
			f.group += groups
			next = max(next, f.group+1)
			merged.fields = append(merged.fields, f)
		}
		groups = next
	}
	if len(merged.where)+len(merged.fields) == 0 {
		return nil
	}
	return &merged
}

// For returns what the rules say about one resource of one cluster; nil if they say
// nothing. It does more than callers want to do for each object: they keep the result.
func (r *Rules) For(resource Resource, c Cluster) *Program {
	if r == nil {
		return nil
	}
	p := &Program{resource: resource}
	for _, rule := range r.where {
		if rule.matches(resource) {
			p.where = append(p.where, rule.expression)
		}
	}
	var fields []fieldRule
	for _, rule := range r.fields {
		if rule.matches(resource) {
			fields = append(fields, rule)
		}
	}
	if len(p.where)+len(fields) == 0 {
		return nil
	}
	p.prepare(c)
	p.fields = newFields(fields)
	return p
}
