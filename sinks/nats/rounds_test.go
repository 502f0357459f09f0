package nats_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"

	client "github.com/nats-io/nats.go"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/nats"
)

// Of one object never two are under way, and nothing follows what has failed, unless that
// can never be accepted.
func TestRounds(t *testing.T) {
	var batch []*pipeline.Change
	for i, name := range []string{"a", "b", "a", "c", "a", "b", "d"} {
		batch = append(batch, change(name, uint64(i+1), 9))
	}
	away := errors.New("away")
	for name, tc := range map[string]struct {
		most  int
		fails map[int]error
		want  string
	}{
		"all accepted":   {99, nil, "[[0 1 3 6] [2 5] [4]]"},
		"two at a time":  {2, nil, "[[0 1] [2 3] [4 5] [6]]"},
		"the first away": {99, map[int]error{0: away}, "[[0 1 3 6] [5]]"},
		"too large":      {99, map[int]error{0: client.ErrMaxPayload}, "[[0 1 3 6] [2 5] [4]]"},
	} {
		errs := make([]error, len(batch))
		var got [][]int
		nats.Rounds(batch, tc.most, errs, func(round []int) {
			got = append(got, round)
			for _, i := range round {
				errs[i] = tc.fails[i]
			}
		})
		if fmt.Sprint(got) != tc.want {
			t.Errorf("%s: rounds %v, want %s", name, got, tc.want)
		}
		if errors.Is(tc.fails[0], away) && (errs[2] == nil || errs[4] == nil || errs[5] != nil) {
			t.Errorf("%s: errors %v", name, errs)
		}
	}
}

// Subjects of different objects are different, and are five tokens whatever the names
// hold, which are a key of a bucket too.
func FuzzSubjectsStayApart(f *testing.F) {
	f.Add("a", "b.c", "ns", "n", "a.b", "c", "ns", "n")
	f.Add("a", "pods", "", "n", "a", "pods", "_", "n")
	f.Add("a", "x.core", "ns", "*", "a", "x", "ns", ">")
	f.Add("a", "x.", "ns", "", "a", "x", "ns", "=")
	syntax := regexp.MustCompile(`^[-=A-Za-z0-9]+(\.[-_=A-Za-z0-9]+){4}$`)
	f.Fuzz(func(t *testing.T, c1, r1, ns1, n1, c2, r2, ns2, n2 string) {
		a, b := pipeline.Key{Cluster: c1, Resource: r1, Namespace: ns1, Name: n1}, pipeline.Key{Cluster: c2, Resource: r2, Namespace: ns2, Name: n2}
		one, other := nats.SubjectOf(a), nats.SubjectOf(b)
		if same := one == other; same != (a == b) && r1 != r2+"." && r2 != r1+"." {
			t.Errorf("subjects %q and %q of %+v and %+v", one, other, a, b)
		}
		if !syntax.MatchString(one) {
			t.Errorf("subject %q of %+v", one, a)
		}
	})
}

func ExampleNew() {
	s, err := nats.New(nats.Options{Servers: []string{"nats:4222"}, Stream: "fairlead"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Close())
	// Output: <nil>
}
