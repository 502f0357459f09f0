package apistatus

import (
	"errors"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestIsTooLarge(t *testing.T) {
	spoken := func(code int32, message string) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: message}}
	}
	page := apierrors.NewGenericServerResponse(http.StatusInternalServerError, "post", schema.GroupResource{}, "", "etcdserver: request is too large", 0, true)
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"413":                   {spoken(http.StatusRequestEntityTooLarge, "limit is 3145728"), true},
		"etcd":                  {spoken(http.StatusInternalServerError, "etcdserver: request is too large"), true},
		"the client of etcd":    {spoken(http.StatusInternalServerError, "rpc error: code = ResourceExhausted desc = trying to send message larger than max (2560805 vs. 2097152)"), true},
		"another 500":           {spoken(http.StatusInternalServerError, "etcdserver: no leader"), false},
		"another code":          {spoken(http.StatusBadRequest, "etcdserver: request is too large"), false},
		"a page that says so":   {page, false},
		"no answer":             {errors.New("etcdserver: request is too large"), false},
		"nothing that is amiss": {nil, false},
	} {
		if got := IsTooLarge(tc.err); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
