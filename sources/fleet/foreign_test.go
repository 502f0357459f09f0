package fleet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// TestWhatAProviderOfSomebodyElseSays: the fleet believes no provider what it
// would not believe its own.
func TestWhatAProviderOfSomebodyElseSays(t *testing.T) {
	member := func(name string) *Member {
		return &Member{Name: name, Source: "theirs", REST: &rest.Config{Host: "https://x"}, Fingerprint: "1"}
	}
	for what, tc := range map[string]struct {
		d    Description
		want string
	}{
		"a name with a line break": {Description{Name: "a\nb", Member: member("a\nb")}, "invisible characters are not allowed"},
		"a long name":              {Description{Name: strings.Repeat("x", 1<<20), Member: member(strings.Repeat("x", 1<<20))}, "at most 253"},
		"no name":                  {Description{Member: member("")}, "name is empty"},
		"two names":                {Description{Name: "a", Member: member("b")}, `describes cluster "b" under the name "a"`},
		"no way to reach it":       {Description{Name: "a", Member: &Member{Name: "a", Fingerprint: "1"}}, "how to reach"},
		"no fingerprint":           {Description{Name: "a", Member: &Member{Name: "a", REST: &rest.Config{}}}, "no fingerprint"},
		// Without a hub there is nobody to write an Event to.
		"an object of no hub": {Description{Name: "a\tb", Member: member("a\tb"), Object: &corev1.ObjectReference{Name: "o"}}, "invisible"},
	} {
		t.Run(what, func(t *testing.T) {
			good := Description{Source: "theirs", Name: "good", Member: member("good")}
			tc.d.Source = "theirs"
			got := &recorder{members: map[string]Member{}}
			f := New(Options{Providers: []Provider{&listed{[]Description{tc.d, good}}}, Handler: got})
			f.poll(time.Now())
			if len(got.members) != 1 || got.members["good"].Name != "good" {
				t.Errorf("the members are %d, want the good one alone", len(got.members))
			}
			problems := f.Problems()
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tc.want) || len(problems[0].Error())+len(problems[0].Cluster) > 4096 {
				t.Errorf("problems %.500v, want one with %q", problems, tc.want)
			}
		})
	}
}
