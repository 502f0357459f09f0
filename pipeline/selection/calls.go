package selection

import (
	"errors"
	"fmt"

	"github.com/google/cel-go/common/ast"
)

// literalArguments are functions that take a time, or make a value, that grows with the
// product of the lengths of what they are given. All but one of them have to be literals:
// the length of an expression is bounded.
var literalArguments = map[string]bool{
	"matches": true, "find": true, "findAll": true, "replace": true, "join": true, "indexOf": true, "lastIndexOf": true,
}

// checkCalls returns which calls of an expression nobody could bound.
func checkCalls(e ast.Expr) error {
	var errs []error
	if e.Kind() == ast.CallKind && literalArguments[e.AsCall().FunctionName()] {
		c := e.AsCall()
		arguments := c.Args()
		if !c.IsMemberFunction() && len(arguments) > 0 {
			arguments = arguments[1:]
		}
		for _, a := range arguments {
			if a.Kind() != ast.LiteralKind {
				errs = append(errs, fmt.Errorf("the arguments of %s() have to be literals, such as 'a'", c.FunctionName()))
				break
			}
		}
	}
	for _, child := range children(e) {
		errs = append(errs, checkCalls(child))
	}
	return errors.Join(errs...)
}
