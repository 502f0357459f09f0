package locks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// throwAway is a kind as a user would write one.
func throwAway() locks.Kind {
	return locks.Kind{
		Form: locks.Form{
			Scheme: "paper", Usage: "paper:DRAWER", Summary: "a slip of paper",
			Params: []locks.Param{{Name: "pen", Default: "blue", Meaning: "what it is written with"}},
		},
		Parse: func(v *locks.Value) (locks.Spec, error) {
			if v.Rest == "none" {
				return locks.Spec{}, errors.New("there is no such drawer")
			}
			return locks.Spec{Identity: "paper:" + v.Rest, Open: func(_ context.Context, env locks.Env) (resourcelock.Interface, error) {
				return nil, fmt.Errorf("%s writes in %s", env.Identity, v.Str("pen"))
			}}, nil
		},
	}
}

func TestParse(t *testing.T) {
	kinds := []locks.Kind{throwAway()}
	if err := locks.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	s, err := locks.Parse(kinds, "paper:top?pen=red")
	if err != nil || s.Identity != "paper:top" {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := s.Open(t.Context(), locks.Env{Identity: "a"}); err == nil || err.Error() != "a writes in red" {
		t.Error(err)
	}
	for text, wants := range map[string][]string{
		"paper:":                  {"paper:DRAWER"},
		"papr:top":                {"papr", "did you mean paper?"},
		"paper:top?pem=red":       {"pem", "did you mean pen?"},
		"paper:none?pem=red":      {"pem", "no such drawer"}, // all at once
		"paper:top?password=1234": {"password"},
	} {
		_, err := locks.Parse(kinds, text)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", text, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), "1234") {
			t.Errorf("%s: the error shows a credential: %v", text, err)
		}
	}
}

func TestCheckIdentity(t *testing.T) {
	for identity, ok := range map[string]bool{
		"host_1": true, "Größe\n": true, "\ufffd": true, strings.Repeat("x", 1024): true,
		"": false, strings.Repeat("x", 1025): false, "a\xff": false,
	} {
		if err := locks.CheckIdentity(identity); (err == nil) != ok {
			t.Errorf("%.20q: %v", identity, err)
		}
	}
}
