package memberstatus

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestObjectName(t *testing.T) {
	made := ObjectName("Paris")
	for cluster, want := range map[string]string{
		"paris":                  "paris",
		"edge-1.eu":              "edge-1.eu",
		"Paris":                  "paris-x",
		"..":                     "cluster-x",
		"a/b":                    "a-b-x",
		"ü":                      "cluster-x",
		"":                       "cluster-x",
		"<script>":               "script-x",
		strings.Repeat("a", 254): strings.Repeat("a", 63) + "-x",
		made:                     "paris-x", // who takes a made name gets another one
	} {
		got := ObjectName(cluster)
		if wrong := validation.IsDNS1123Subdomain(got); len(wrong) > 0 {
			t.Errorf("%q: %q is no name of an object: %v", cluster, got, wrong)
		}
		if strings.HasSuffix(want, "-x") {
			if !strings.HasPrefix(got, want) || len(got) != len(want)+32 && cluster != made {
				t.Errorf("%q: %q, want it to begin with %q", cluster, got, want)
			}
		} else if got != want {
			t.Errorf("%q: %q, want %q", cluster, got, want)
		}
	}
	if ObjectName(made) == made {
		t.Error("a cluster can take the name of another one's object")
	}
}

func FuzzObjectName(f *testing.F) {
	f.Add("paris", "Paris")
	f.Add("a-x0123456789abcdef0123456789abcdef", "\x00")
	f.Fuzz(func(t *testing.T, a, b string) {
		one, other := ObjectName(a), ObjectName(b)
		if len(validation.IsDNS1123Subdomain(one)) > 0 {
			t.Errorf("%q: %q", a, one)
		}
		if (a == b) != (one == other) {
			t.Errorf("%q and %q: %q and %q", a, b, one, other)
		}
	})
}

// A condition that says what it has said keeps its time, one that turns has the new one.
func TestTransitions(t *testing.T) {
	at := func(seconds int64) metav1.Time { return metav1.NewTime(time.Unix(seconds, 0)) }
	is := func(kind, status, reason string, seconds int64) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionStatus(status), Reason: reason, LastTransitionTime: at(seconds)}
	}
	before := &Status{Conditions: []metav1.Condition{is("A", "True", "Old", 1), is("B", "True", "Old", 1), is("Gone", "True", "Old", 1)}}
	got, turned := (&Status{Conditions: []metav1.Condition{is("A", "True", "New", 9), is("B", "False", "New", 9), is("C", "True", "New", 9)}}).since(before)
	want := []metav1.Condition{is("A", "True", "New", 1), is("B", "False", "New", 9), is("C", "True", "New", 9)}
	if diff := cmp.Diff(want, got.Conditions); diff != "" || !turned {
		t.Errorf("turned: %v; conditions (-want +got):\n%s", turned, diff)
	}
	if _, turned := (&Status{Conditions: []metav1.Condition{is("A", "True", "New", 9)}}).since(before); turned {
		t.Error("another reason counts as another status")
	}
}

// Whatever a member says of itself, its object stays small.
func TestBounds(t *testing.T) {
	long := strings.Repeat("ä\n", 1<<12)
	s := &Status{State: long, Reason: long, UID: long, ServerVersion: long, Source: long}
	for i := range 1000 {
		s.Routes = append(s.Routes, Route{Name: fmt.Sprint(i, long)})
	}
	for _, kind := range []string{"Reachable", "Synced", "Fresh", "Throttled"} {
		s.Conditions = append(s.Conditions, metav1.Condition{Type: kind, Message: long})
	}
	if text := s.bounded().text(); len(text) > 64<<10 || strings.Contains(text, `\n`) {
		t.Errorf("%d bytes", len(text))
	}
}
