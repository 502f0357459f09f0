package selection

import (
	"errors"
	"slices"
	"strings"
)

// Program is what rules say about one resource of one cluster. Nil selects every
// object, as it is.
type Program struct {
	resource Resource
	where    []*expression
	text     string // of Where
	vars     *variables
	fields   *fields
}

// ErrMetadataOnly is returned by Match for an object of which only the metadata is
// there, if an expression needs more.
var ErrMetadataOnly = errors.New("only the metadata of the object is there, and the expression needs more")

// prepare readies the expressions for a cluster.
func (p *Program) prepare(c Cluster) {
	p.vars = newVariables(p.resource, c)
	var texts []string
	for _, e := range p.where {
		texts = append(texts, e.textFor(c))
	}
	slices.Sort(texts)
	p.text = strings.Join(slices.Compact(texts), " && ")
}

// Where returns the text of what is selected; empty: everything. As long as it is the
// same, the same objects are selected. What expressions read of the cluster is part of
// it.
func (p *Program) Where() string {
	if p == nil {
		return ""
	}
	return p.text
}

// Whole reports whether Match or Digest need more of an object than its metadata.
func (p *Program) Whole() bool {
	if p == nil {
		return false
	}
	return slices.ContainsFunc(p.where, func(e *expression) bool { return e.whole }) || p.fields.whole()
}

// ReadsChange reports whether Match depends on how a state came to be known: on its Op, or
// on whether it is of a Snapshot.
func (p *Program) ReadsChange() bool {
	return p != nil && slices.ContainsFunc(p.where, func(e *expression) bool { return e.change })
}

// ReadsLabels reports whether Match depends on labels of the cluster.
func (p *Program) ReadsLabels() bool {
	return p != nil && slices.ContainsFunc(p.where, func(e *expression) bool {
		return slices.ContainsFunc(e.cluster, func(field string) bool { return strings.HasPrefix(field, "labels") })
	})
}

// Match reports whether the object is selected. An error says that an expression could
// not be evaluated; the object is selected then, unless another expression is false. The
// error holds nothing of the object, and is bounded.
func (p *Program) Match(o Object) (bool, error) {
	if p == nil || len(p.where) == 0 {
		return true, nil
	}
	v := p.vars.begin(o)
	defer v.end()
	var failed error
	for _, e := range p.where {
		if o.Metadata && e.whole {
			if e.conjuncts.isFalse(v) {
				return false, nil
			}
			failed = e.failed(ErrMetadataOnly)
			continue
		}
		switch selected, err := e.match(v); {
		case err != nil:
			failed = e.failed(err)
		case !selected:
			return false, nil
		}
	}
	return true, failed
}

// Unmet returns the texts of the expressions that are false for the object, which are why
// Match does not select it. It is for people: it evaluates all of them.
func (p *Program) Unmet(o Object) (texts []string) {
	if p == nil {
		return nil
	}
	for _, e := range p.where {
		one := &Program{resource: p.resource, where: []*expression{e}, vars: p.vars}
		if selected, _ := one.Match(o); !selected {
			texts = append(texts, e.text)
		}
	}
	return texts
}

// Shape returns the text of the form in which objects are delivered; empty: as they
// were read. As long as it is the same, the form is.
func (p *Program) Shape() string {
	if p == nil {
		return ""
	}
	return p.fields.shape()
}

// Digest returns a digest of the fields whose change counts, and of which fields they
// are. It is never 0. ok is false if every change counts, or if only the metadata is
// there and more is needed. Neither resourceVersion nor managedFields count.
func (p *Program) Digest(o Object) (digest uint64, ok bool) {
	if p == nil {
		return 0, false
	}
	return p.fields.digest(o)
}

// ShapedSize returns how many bytes AppendShaped appends at most for an object of n
// bytes.
func (p *Program) ShapedSize(n int) int {
	if p == nil {
		return n
	}
	return p.fields.shapedSize(n)
}

// AppendShaped appends the object in the form in which it is delivered. The object is
// complete, without managedFields, or reduced to its metadata.
func (p *Program) AppendShaped(to, object []byte) []byte {
	if p == nil {
		return append(to, object...)
	}
	return p.fields.appendShaped(to, object)
}
