package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestElderObjectsComeFirst(t *testing.T) {
	var objects []metav1.Object
	for _, o := range []struct {
		namespace, name string
		age             time.Duration
	}{{"b", "z", 0}, {"b", "a", 0}, {"a", "z", 0}, {"z", "z", time.Hour}} {
		objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
			Namespace: o.namespace, Name: o.name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-o.age)),
		}})
	}
	slices.SortFunc(objects, byAge)
	var got []string
	for _, o := range objects {
		got = append(got, o.GetNamespace()+"/"+o.GetName())
	}
	if want := "z/z a/z b/a b/z"; strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}

// What a hub that stays the same answers must read the same each time: ports and
// addresses of one attempt would make a new problem of every attempt.
func TestReasonsStayTheSame(t *testing.T) {
	refused := func(port int) error {
		return &url.Error{Op: "Get", URL: "https://hub", Err: &net.OpError{
			Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: port}, Err: os.NewSyscallError("read", syscall.ECONNRESET),
		}}
	}
	secrets := schema.GroupResource{Resource: "secrets"}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{refused(1), "the hub cannot be reached; the clusters known so far stay: connection reset by peer"},
		{&url.Error{Op: "Get", URL: "https://hub", Err: context.DeadlineExceeded}, "no answer in time"},
		{fmt.Errorf("x: %w", io.ErrUnexpectedEOF), "it closes the connection"},
		{&url.Error{Op: "Get", URL: "https://hub/x?y", Err: errors.New("x509: unknown authority")}, "stay: x509: unknown authority"},
		{errors.New("malformed HTTP response \"Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.canary\""), `stay: malformed HTTP response "[redacted]"`},
		{apierrors.NewForbidden(secrets, "", errors.New("no")), "the hub does not allow to read Secrets in namespace x; grant get, list and watch, as deploy/components does"},
		{apierrors.NewUnauthorized("no"), "does not accept this program's credentials"},
		{apierrors.NewServiceUnavailable("no"), "it answers ServiceUnavailable"},
		{apierrors.NewNotFound(secrets, ""), "the hub serves no ClusterProfiles"},
	} {
		f := hubInformer{what: "Secrets in namespace x", absent: errNoProfiles}
		if got := f.reason(tc.err); got == nil || !strings.Contains(got.Error(), tc.want) {
			t.Errorf("%v: reason %v, want %q", tc.err, got, tc.want)
		}
	}
	f := hubInformer{}
	if f.reason(refused(1)).Error() != f.reason(refused(2)).Error() {
		t.Error("the port of an attempt is part of the reason")
	}
	if f.reason(nil) != nil {
		t.Error("a success has a reason")
	}
}
