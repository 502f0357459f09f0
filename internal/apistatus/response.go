package apistatus

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// maxBody bounds what is read of an answer to find a Status object, in bytes: what a
// connection lets through of one.
const maxBody = 1 << 20

// Error returns the error that client-go makes of an answer that tells of an error,
// with the code and the Retry-After of its head. The Status object may be JSON or,
// as typed clients ask for, protobuf; a body that holds none makes an error that is
// not ByKubernetes.
//
// It reads up to 1 MiB of the body, for which it may block, and puts it back: who
// reads the answer afterwards gets all of it. The caller closes the body.
func Error(resp *http.Response) *apierrors.StatusError {
	head, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // what breaks does so again for who reads on
	resp.Body = &unread{Reader: io.MultiReader(bytes.NewReader(head), resp.Body), Closer: resp.Body}
	obj, _, err := scheme.Codecs.UniversalDeserializer().Decode(head, nil, nil)
	if status, ok := obj.(*metav1.Status); ok && err == nil && status.Status != metav1.StatusSuccess {
		Complete(status, resp.StatusCode, resp.Header)
		return &apierrors.StatusError{ErrStatus: *status}
	}
	failed := apierrors.NewGenericServerResponse(resp.StatusCode, methodOf(resp), schema.GroupResource{}, "", "", 0, true)
	Complete(&failed.ErrStatus, resp.StatusCode, resp.Header)
	return failed
}

func methodOf(resp *http.Response) string {
	if resp.Request == nil {
		return http.MethodGet
	}
	return resp.Request.Method
}

type unread struct {
	io.Reader
	io.Closer
}

// Complete has a Status object say what the head of its answer says: client-go looks
// at nothing else. The code of the head wins; its Retry-After counts where the object
// has none. It reports whether that changed the object.
func Complete(status *metav1.Status, code int, header http.Header) (changed bool) {
	if int(status.Code) != code {
		status.Code, changed = int32(code), true //nolint:gosec // An HTTP status code has three digits.
	}
	after := RetryAfter(header)
	if after == 0 || status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		return changed
	}
	if status.Details == nil {
		status.Details = &metav1.StatusDetails{}
	}
	status.Details.RetryAfterSeconds = after
	return true
}

// RetryAfter returns the seconds that the head of an answer asks to be left alone
// for, of at most LongestRetryAfter. They are 0 if it has no such number; a date, which
// API servers do not send, is none.
func RetryAfter(header http.Header) int32 {
	seconds, err := strconv.ParseInt(header.Get("Retry-After"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // beyond its range it is the largest number
		return 0
	}
	return int32(bounded(seconds).Seconds())
}
