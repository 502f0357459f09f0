package selection

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	fieldselector "k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// conjuncts are the parts of an expression that have to be true each, as far as an API
// server can select by them.
type conjuncts struct {
	comparisons []*comparison
	there       []use // fields that are there
}

// findConjuncts takes an expression apart at its outermost &&. One that is false makes
// the expression false, also if another one fails.
func findConjuncts(e ast.Expr) (found conjuncts) {
	var visit func(ast.Expr)
	visit = func(e ast.Expr) {
		if u, ok := useOf(e); ok && u.test {
			found.there = append(found.there, u)
			return
		}
		if e.Kind() != ast.CallKind {
			return
		}
		c := e.AsCall()
		if c.FunctionName() == operators.LogicalAnd {
			for _, part := range c.Args() {
				visit(part)
			}
			return
		}
		if compared, ok := comparisonOf(e); ok {
			found.comparisons = append(found.comparisons, compared)
		} else if c.FunctionName() == operators.In && len(c.Args()) == 2 {
			key, isText := textOf(c.Args()[0])
			if u, ok := useOf(c.Args()[1]); ok && isText {
				found.there = append(found.there, u.with(useStep{name: key}))
			}
		}
	}
	visit(e)
	return found
}

// isFalse reports whether the metadata alone make the expression false.
func (c *conjuncts) isFalse(v *evaluation) bool {
	for _, compared := range c.comparisons {
		if compared.field.steps[0].name != "metadata" {
			continue
		}
		if result, ok := compared.decide(&v.root); ok && !result {
			return true
		}
	}
	return false
}

// Selectors returns what of the expressions an API server can select by itself, as a
// label selector and a field selector; empty: nothing. An object that they do not select
// is one for which an expression is false. They are for a stream all of whose readers
// have these expressions.
func (p *Program) Selectors() (labelSelector, fieldSelector string) {
	// An API server tells of an object that leaves its selectors as if it were deleted, and
	// of one that comes as if it were added.
	if p == nil || p.ReadsChange() {
		return "", ""
	}
	byLabels := labels.NewSelector()
	var byFields []string
	for _, e := range p.where {
		for _, c := range e.conjuncts.comparisons {
			if r := c.byLabel(e.conjuncts.there); r != nil && !slices.Contains(requirements(byLabels), r.String()) {
				byLabels = byLabels.Add(*r)
			}
			if s := c.byField(p.resource, e.conjuncts.there); s != nil {
				byFields = append(byFields, s.String())
			}
		}
	}
	slices.Sort(byFields)
	for i, s := range slices.Compact(byFields) {
		if i > 0 {
			fieldSelector += ","
		}
		fieldSelector += s
	}
	return byLabels.String(), fieldSelector
}

func requirements(s labels.Selector) (texts []string) {
	all, _ := s.Requirements()
	for _, r := range all {
		texts = append(texts, r.String())
	}
	return texts
}

// byLabel returns the comparison as a requirement on a label, if it is exactly that.
func (c *comparison) byLabel(there []use) *labels.Requirement {
	steps := c.field.steps
	if len(steps) != 3 || steps[0].name != "metadata" || steps[1].name != "labels" || slices.Contains(c.texts, "") {
		return nil // an empty text may be a label, or none
	}
	absent := steps[0].optional || steps[1].optional // is told by the fallback
	guarded := isThere(there, steps[:2]) && isThere(there, steps)
	operator := selection.In
	switch {
	case absent && slices.Contains(c.texts, c.fallback):
		return nil
	case absent && c.not:
		operator = selection.NotIn // as API servers have it, also of an object without the label
	case !absent && (c.not || !guarded):
		return nil
	}
	r, err := labels.NewRequirement(steps[2].name, operator, c.texts)
	if err != nil {
		return nil // no object has such a label
	}
	return r
}

// byField returns the comparison as a field selector, if it is exactly that.
func (c *comparison) byField(r Resource, there []use) fieldselector.Selector {
	steps := c.field.steps
	if len(steps) != 2 || len(c.texts) != 1 {
		return nil
	}
	name, text := steps[0].name+"."+steps[1].name, c.texts[0]
	absent := c.field.optional()
	pods := r.name() == "pods"
	switch {
	case name == "metadata.name" && !absent:
	case name == "metadata.namespace" && !absent && r.Namespaced:
	case !pods || name != "status.phase" && name != "spec.nodeName":
		return nil
	case absent && c.fallback == "": // as API servers have it
	case absent || c.not || text == "" || !isThere(there, steps):
		return nil
	}
	if c.not {
		return fieldselector.OneTermNotEqualSelector(name, text)
	}
	return fieldselector.OneTermEqualSelector(name, text)
}

// isThere reports whether one of the parts says that a field is there.
func isThere(there []use, steps []useStep) bool {
	return slices.ContainsFunc(there, func(u use) bool {
		return u.variable == "object" && slices.EqualFunc(u.steps, steps, func(a, b useStep) bool { return a.name == b.name && !a.optional })
	})
}
