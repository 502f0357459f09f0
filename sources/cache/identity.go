package cache

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/member"
)

// version is the resourceVersion that a request starts from, or empty.
func version(req *http.Request) string {
	if v := req.URL.Query().Get("resourceVersion"); v != "0" {
		return v
	}
	return ""
}

// foreign tells whether a request goes on from a version of another cluster,
// which was there under the same name before: its numbers mean nothing here.
func (w *wire) foreign(s *member.Session) bool {
	w.informer.mu.Lock()
	defer w.informer.mu.Unlock()
	return w.informer.uid != "" && w.informer.uid != s.UID && version(w.req) != ""
}

// listed notes which cluster the informer's objects are from.
func (w *wire) listed(s *member.Session) {
	w.informer.mu.Lock()
	defer w.informer.mu.Unlock()
	if w.informer.uid == "" || version(w.req) == "" {
		w.informer.uid = s.UID
	}
}

// expired is the answer that makes an informer list anew: what is then missing
// it tells its handlers as deleted.
func expired(req *http.Request) *http.Response {
	body, _ := json.Marshal(metav1.Status{ // of strings and numbers
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure,
		Code:     http.StatusGone,
		Reason:   metav1.StatusReasonExpired,
		Message:  "another cluster has this name now",
	})
	return &http.Response{
		Status:        "410 Gone",
		StatusCode:    http.StatusGone,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		Request:       req,
	}
}
