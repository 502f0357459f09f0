package ctl

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// TestWhoHoldsTheLease: the one that is named, else fairlead, else any that a Pod of Fairlead
// holds, as long as it is one Pod.
func TestWhoHoldsTheLease(t *testing.T) {
	const id = "_7d0ff6a2-6a4c-4d7c-8d0a-1c1a3f0e9b11"
	held := func(by string) *string { return new(by + id) }
	for what, test := range map[string]struct {
		leases  map[string]*string // holders
		named   string
		refused bool // the list is
		want    string
		wrong   string
	}{
		"the usual one":               {leases: map[string]*string{"fairlead": held("a"), "other": held("b")}, want: "a"},
		"of another release":          {leases: map[string]*string{"events-fairlead": held("b"), "kubelet": held("node"), "free": nil}, want: "b"},
		"what an old one left":        {leases: map[string]*string{"fairlead": held("gone"), "events-fairlead": held("b")}, want: "b"},
		"two of one Pod":              {leases: map[string]*string{"vote": held("b"), "events-fairlead": held("b")}, want: "b"},
		"of two releases":             {leases: map[string]*string{"x": held("a"), "events": held("b")}, wrong: "Leases are events, x; name one with --lease"},
		"the one of two":              {leases: map[string]*string{"x": held("a"), "events": held("b")}, named: "x", want: "a"},
		"the named one, which is not": {leases: map[string]*string{"fairlead": held("a")}, named: "x"},
		"the named one, free":         {leases: map[string]*string{"fairlead": held("a"), "x": nil}, named: "x"},
		"that may not be listed":      {leases: map[string]*string{"x": held("a")}, refused: true},
		"none":                        {},
	} {
		t.Run(what, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
				holder, ok := test.leases[name]
				answer := any(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: holder}})
				switch {
				case name == "leases" && test.refused:
					w.WriteHeader(http.StatusForbidden)
					answer = &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden}
				case name == "leases":
					var list coordinationv1.LeaseList
					for name, holder := range test.leases {
						list.Items = append(list.Items, coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: coordinationv1.LeaseSpec{HolderIdentity: holder}})
					}
					answer = &list
				case !ok:
					w.WriteHeader(http.StatusNotFound)
					answer = &metav1.Status{Status: metav1.StatusFailure, Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound}
				}
				_ = json.NewEncoder(w).Encode(answer)
			}))
			defer server.Close()
			h := hubFlags{namespace: "fairlead", pod: "any", lease: test.named, port: defaultPort}
			at, err := h.openBy(t.Context(), &rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got, err := at.pods.holder(t.Context(), []string{"a", "b"})
			if _, pointless := errors.AsType[*pointlessError](err); pointless != (test.wrong != "") || err != nil && (test.wrong == "" || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("it says %v, not %q", err, test.wrong)
			}
			if got != test.want {
				t.Errorf("it is %q, not %q", got, test.want)
			}
		})
	}
}
