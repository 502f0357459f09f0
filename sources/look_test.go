package sources

import (
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// A name finds the stream that it means, however it is written; what nobody follows is said,
// with what would follow it.
func TestLookFindsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm", "secrets?namespace=ns")
		h.sources.Set((&server{uid: "a"}).member("m"))
		pass()
		for _, test := range []struct {
			cluster, resource, namespace string
			found                        string // resource and namespace
			err                          error
			says                         string
		}{
			{"m", "cm", "ns", "configmaps ns", nil, ""},
			{"m", "configmaps", "ns", "configmaps ns", nil, ""},
			{"m", "configmap", "ns", "configmaps ns", nil, ""}, // which discovery tells
			{"m", "secret", "", "secrets ns", nil, ""},
			{"m", "cm", "", "", ErrNoNamespace, "-n NAMESPACE"},
			{"m", "secrets", "other", "", ErrUnknownResource, "only the namespaces ns are followed; add --watch secrets?namespace=other"},
			{"m", "events", "ns", "", ErrUnknownResource, "add --watch events"},
			{"m", "wigs", "ns", "", ErrUnknownResource, "does not serve wigs"},
			{"m", "*", "ns", "", ErrUnknownResource, ""},
			{"o", "cm", "ns", "", ErrUnknownCluster, "there are: m"},
		} {
			got, err := h.sources.Look(t.Context(), test.cluster, test.resource, test.namespace, "x")
			if !errors.Is(err, test.err) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("Look(%q, %q, %q): %v, want %v with %q", test.cluster, test.resource, test.namespace, err, test.err, test.says)
			}
			if err == nil && (got.Resource+" "+got.Namespace != test.found || got.Connection.Cluster != "m" || got.Source != "from a" || len(got.Routes) != 1) {
				t.Errorf("Look(%q, %q, %q) = %+v", test.cluster, test.resource, test.namespace, got)
			}
		}
	})
}

// Of a member that cannot be reached it is not known which resource a name means.
func TestLookAtAMemberThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.sources.Set((&server{uid: "a", down: true}).member("m"))
		pass()
		for resource, want := range map[string]error{"cm": nil, "configmaps": ErrNotSurveyed} {
			got, err := h.sources.Look(t.Context(), "m", resource, "ns", "x")
			if !errors.Is(err, want) || got.Asked || got.Connection.State == states.Live || got.Connection.LastError == "" {
				t.Errorf("%s: %+v, %v", resource, got, err)
			}
		}
	})
}

// A member that does not answer holds up no question for long, and what is known is told.
func TestLookAtAMemberThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, "cm")
		h.sources.Set((&server{uid: "a"}).member("m")) // which never ends a list
		h.wantLive("m")
		got, err := h.sources.Look(t.Context(), "m", "cm", "ns", "of-a")
		if err != nil || got.Asked || !strings.Contains(got.Error, "no reply in time") || got.Routes[0].AckedVersion != "5" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}
