package clusters

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// refusal is an answer that is not what was asked for.
type refusal struct {
	code   int
	reason metav1.StatusReason // empty: it is not a Kubernetes API server that says it
	kind   string              // of the object that it is about
}

// refusalOf reads an answer. Its message is not kept: it may hold what was sent.
func refusalOf(code int, text []byte) *refusal {
	r := &refusal{code: code}
	var status metav1.Status
	if json.Unmarshal(text, &status) != nil || status.Kind != "Status" || int(status.Code) != code {
		return r
	}
	if r.reason = status.Reason; status.Details != nil {
		r.kind = status.Details.Kind
	}
	if r.reason == metav1.StatusReasonNotFound && r.kind != resource.Resource {
		r.reason = "" // of the namespace, say
	}
	return r
}

// changed reports whether a write was refused because there is another Lease, or none.
func (r *refusal) changed(method string) bool {
	if method == http.MethodPost {
		return r.reason == metav1.StatusReasonAlreadyExists
	}
	return r.reason == metav1.StatusReasonConflict || r.reason == metav1.StatusReasonNotFound
}

// Error says what to do.
func (r *refusal) Error() string {
	hint := ""
	switch r.code {
	case http.StatusUnauthorized:
		hint = ": the credentials do not hold"
	case http.StatusForbidden:
		hint = ": the user may not get, create or update the Lease, or read the namespace kube-system"
	case http.StatusNotFound:
		hint = ": does the namespace exist?"
	}
	return fmt.Sprintf("the API server answers %d %s%s", r.code, http.StatusText(r.code), hint)
}

func singleSlash(path string) string { return strings.TrimSuffix(path, "/") }
