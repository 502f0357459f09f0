package selection

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"

	"github.com/fairlead-dev/fairlead/internal/spec"
)

// maxExpression bounds the text of an expression, in bytes.
const maxExpression = 8 << 10

// maxDoublings is how often an expression may have a macro that doubles what is before it.
const maxDoublings = 4

// expression is a where text, compiled.
type expression struct {
	text    string
	program program
	whole   bool     // it reads more of the object than its metadata
	change  bool     // it reads how the state came
	cluster []string // what it reads of the cluster: name, uid, labels, or labels/KEY

	conjuncts conjuncts
}

func compile(text string) (*expression, error) {
	if text == "" {
		return nil, errors.New("has no expression; write one such as object.metadata.namespace == 'web'")
	}
	if len(text) > maxExpression {
		return nil, fmt.Errorf("the expression has %d bytes; at most %d are taken", len(text), maxExpression)
	}
	// Each of these macros is replaced by a text that has what it is called on twice.
	if n := strings.Count(text, "optMap") + strings.Count(text, "optFlatMap"); n > maxDoublings {
		return nil, fmt.Errorf("the expression has optMap or optFlatMap %d times; at most %d are taken", n, maxDoublings)
	}
	env, err := environment()
	if err != nil {
		return nil, fmt.Errorf("prepare CEL: %w", err)
	}
	parsed, issues := env.Parse(text)
	if err := issuesOf(issues); err != nil {
		return nil, err
	}
	uses := findUses(parsed.NativeRep())
	if err := errors.Join(uses.check(), checkCalls(parsed.NativeRep().Expr())); err != nil {
		return nil, err
	}
	checked, issues := env.Check(parsed)
	if err := issuesOf(issues); err != nil {
		return nil, err
	}
	if out := checked.OutputType(); !out.IsExactType(cel.BoolType) && !out.IsExactType(cel.DynType) {
		return nil, fmt.Errorf("the expression is a %s; it has to be true or false, as object.metadata.namespace == 'web' is", out)
	}
	program, err := plan(env, checked)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return &expression{
		text: text, program: program, whole: uses.whole(), change: uses.change(), cluster: uses.cluster(),
		conjuncts: findConjuncts(checked.NativeRep().Expr()),
	}, nil
}

// issuesOf makes one line of each of the compiler's complaints.
func issuesOf(issues *cel.Issues) error {
	var errs []error
	for _, e := range issues.Errors() {
		errs = append(errs, fmt.Errorf("line %d, column %d: %s", e.Location.Line(), e.Location.Column()+1, e.Message))
	}
	return errors.Join(errs...)
}

// textFor is the expression with the values that it reads of the cluster.
func (e *expression) textFor(c Cluster) string {
	var values []string
	for _, field := range e.cluster {
		key, isLabel := strings.CutPrefix(field, "labels/")
		value, there := c.Labels[key]
		switch {
		case field == "name":
			values = append(values, "name="+strconv.Quote(c.Name))
		case field == "uid":
			values = append(values, "uid="+strconv.Quote(c.UID))
		case isLabel && there:
			values = append(values, strconv.Quote(key)+"="+strconv.Quote(value))
		case isLabel:
			values = append(values, "no "+strconv.Quote(key))
		default:
			values = append(values, fmt.Sprintf("labels=%q", c.Labels)) // sorted by fmt
		}
	}
	if len(values) == 0 {
		return "(" + e.text + ")"
	}
	return "(" + e.text + ") in {" + strings.Join(values, ", ") + "}"
}

func (e *expression) match(v *evaluation) (bool, error) {
	run := e.program.plain
	if len(v.root.json) > e.program.upTo {
		run = e.program.counted
	}
	v.cost = 0
	out, _, err := run.Eval(v)
	if v.cost > CostLimit {
		return false, errCost
	}
	if err != nil {
		return false, err
	}
	selected, isBool := out.(types.Bool)
	if !isBool {
		return false, errNoBool
	}
	return bool(selected), nil
}

// failed says which expression failed, and why.
func (e *expression) failed(err error) error {
	return fmt.Errorf("where %.200q: %w", e.text, e.reason(err))
}

func didYouMean(name string, known []string) string {
	near := spec.Nearest(name, known)
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return "; did you mean " + strings.Join(near, " or ") + "?"
}
