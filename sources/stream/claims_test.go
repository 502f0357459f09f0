package stream

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Of a member's specs those follow objects that do not give way. What was followed in a
// namespace that only a spec that gives way means belongs to those that follow: else it
// stayed behind, and its deletions were told once the retention is over, although the
// objects are followed.
func TestWhatIsFollowedByWhom(t *testing.T) {
	for _, test := range []struct {
		specs   string
		follow  []int    // which of them
		cursors []string // namespaces of those in the ledger, which had one of all namespaces
	}{
		{"cm", []int{0}, []string{""}},
		{"cm?namespace=ns", []int{0}, []string{"ns"}},
		{"cm?namespace=ns configmaps", []int{0}, []string{"ns"}},
		{"cm?namespace=ns configmaps configmap?namespace=other", []int{0, 2}, []string{"ns", "other"}},
		{"cm?namespace=ns configmaps?namespace=other configmap", []int{0, 1}, []string{"ns", "other"}},
		{"cm?namespace=other secrets configmaps?namespace=ns", []int{0, 1, 2}, []string{"ns", "other"}},
		{"nosuch cm?namespace=ns", []int{1}, []string{"ns"}},
	} {
		t.Run(test.specs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				before := start(t)
				before.live()
				if err := before.stop(); err != nil {
					t.Fatal(err)
				}
				before.ledger.Leave("c")
				var specs []Spec
				for _, s := range strings.Fields(test.specs) {
					specs = append(specs, mustParse(t, s))
				}
				claims := NewClaims()
				for i := range specs {
					h := start(t, func(o *Options) {
						o.Claims, o.Ledger, o.Spec, o.Earlier, o.Later = claims, before.ledger, specs[i], specs[:i], specs[i+1:]
					})
					synctest.Wait()
					if follows := h.stream.Status().State != member.Waiting; follows != slices.Contains(test.follow, i) {
						t.Errorf("%s follows: %t; status: %+v", specs[i], follows, h.stream.Status())
					}
				}
				var cursors []string
				for _, r := range before.ledger.Recall("c", "cluster-1") {
					if r.ID.Resource == "configmaps" {
						cursors = append(cursors, r.ID.Namespace)
					}
				}
				if !slices.Equal(cursors, test.cursors) {
					t.Errorf("the ledger has cursors of %q, want %q", cursors, test.cursors)
				}
			})
		})
	}
}

// Where one spec gives way to another, its error names the one that follows the objects.
func TestWhoIsGivenWayTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		specs := []Spec{mustParse(t, "cm?namespace=a"), mustParse(t, "configmap?namespace=b"), mustParse(t, "configmaps?namespace=b")}
		h := start(t, func(o *Options) { o.Spec, o.Earlier = specs[2], specs[:2] })
		s := h.wantState(member.Waiting)
		if want := fmt.Sprintf("watch %q and watch %q both mean configmaps", specs[1], specs[2]); !strings.Contains(s.LastError, want) {
			t.Errorf("error %q, want %q", s.LastError, want)
		}
	})
}

// TestClaimsLookAtNoOtherCluster: a claim costs the same in a large fleet, as each new session of
// each stream makes one, and of many streams at once. What is released is forgotten.
func TestClaimsLookAtNoOtherCluster(t *testing.T) {
	claims := NewClaims()
	resources := []string{"pods", "configmaps", "secrets", "services", "nodes"}
	var fleet []*Stream
	for i := range 400 {
		for range resources {
			fleet = append(fleet, &Stream{cluster: fmt.Sprintf("c%d", i), name: "s"})
		}
	}
	for range 2 { // joining, and again in a new session
		for i, s := range fleet {
			if err := claims.take(s, schema.GroupResource{Resource: resources[i%len(resources)]}, ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	if claims.looked > 0 {
		t.Errorf("%d streams of others were looked at, want none", claims.looked)
	}
	another := &Stream{cluster: "c7", name: "another"}
	for _, namespace := range []string{"", "a"} {
		if err := claims.take(another, schema.GroupResource{Resource: "pods"}, namespace); !errors.Is(err, errClaimed) {
			t.Errorf("a second stream of the pods of c7 in namespace %q: %v, want that they are claimed", namespace, err)
		}
	}
	for _, s := range fleet {
		claims.release(s)
	}
	claims.release(another) // which holds nothing
	if n := len(claims.held) + len(claims.of); n > 0 {
		t.Errorf("%d entries are left of streams that have ended", n)
	}
}
