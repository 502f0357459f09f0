package batch

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestAnswerOf(t *testing.T) {
	no := errors.New("no")
	some := func(at ...int) error {
		e := &pipeline.BatchError{Failed: map[int]error{}}
		for _, i := range at {
			e.Failed[i] = no
		}
		return fmt.Errorf("write: %w", e)
	}
	for name, test := range map[string]struct {
		err  error
		n    int
		want answer
	}{
		"accepted":                            {nil, 2, tookAll},
		"some":                                {some(0), 2, namesSome},
		"all, one by one":                     {some(0, 1), 2, namesSome},
		"some and others":                     {some(1, 7), 2, namesSome},
		"one":                                 {some(0), 1, namesSome},
		"none":                                {some(), 2, destinationFailed},
		"others":                              {some(-1, 2), 2, destinationFailed},
		"none, for good":                      {pipeline.Permanent(some()), 1, destinationFailed},
		"destination":                         {no, 2, destinationFailed},
		"destination, of one":                 {no, 1, destinationFailed},
		"destination that asks for a pause":   {pipeline.RetryAfter(no, time.Second), 2, destinationFailed},
		"all, for good":                       {fmt.Errorf("write: %w", pipeline.Permanent(no)), 2, refusedAll},
		"one, for good":                       {pipeline.Permanent(no), 1, refusedOne},
		"some, in an error that is permanent": {pipeline.Permanent(some(1)), 2, namesSome},
	} {
		if got := answerOf(test.err, test.n); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
