package selection

import (
	"math"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

// CostLimit bounds one evaluation: an operation costs 1, and so do 64 bytes that are
// read. It is what API servers allow one expression, about 0.1 s.
const CostLimit = 1_000_000

// largest is the largest object that API servers take, in bytes. What costs no more
// than CostLimit on one of that size, costs no more than a few times of it on any that
// is read.
const largest = int(apiservercel.DefaultMaxRequestSizeBytes)

// program is a planned expression. Counting what an evaluation costs takes longer than
// most evaluations. So it is not counted for an object of such a size that it cannot
// exceed the limit, by what CEL estimates.
type program struct {
	plain   cel.Program
	upTo    int         // bytes of an object
	counted cel.Program // for larger ones
}

func plan(env *cel.Env, checked *cel.Ast) (p program, err error) {
	for size := largest; size >= 1<<10 && p.upTo == 0; size /= 2 {
		cost, err := env.EstimateCost(checked, &library.CostEstimator{SizeEstimator: sizes{uint64(size)}})
		if err == nil && cost.Max <= CostLimit {
			p.upTo = size
		}
	}
	comparisons := cel.CustomDecoratorV2(withComparisons(findComparisons(checked.NativeRep())))
	if p.plain, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(withBounds), comparisons); err != nil {
		return p, err
	}
	if p.upTo == largest {
		p.upTo = math.MaxInt
		return p, nil
	}
	p.counted, err = planMetered(env, checked)
	return p, err
}

func planMetered(env *cel.Env, checked *cel.Ast) (cel.Program, error) {
	rounds := map[int64]int{}
	findRounds(checked.NativeRep().Expr(), rounds)
	return env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(withBounds), cel.CustomDecoratorV2(withMeter(rounds)))
}

// sizes says how large values can be in an object of so many bytes.
type sizes struct{ object uint64 }

// EstimateSize implements checker.CostEstimator. What an expression makes itself, such as
// by adding lists, may be larger than any object: of that it says nothing, and CEL takes it
// for as large as can be unless it knows better.
func (s sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	switch path := node.Path(); {
	case len(path) == 0, path[0] != "object" && path[0] != "cluster" && path[0] != "change":
		return nil
	}
	return &checker.SizeEstimate{Max: s.object}
}

// EstimateCallCost implements checker.CostEstimator.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}
