package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/sources/member"
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
func (w *informerRequest) foreign(s *member.Session) bool {
	w.informer.mu.Lock()
	defer w.informer.mu.Unlock()
	return w.informer.uid != "" && w.informer.uid != s.UID && version(w.req) != ""
}

// listed notes which cluster the informer's objects are from.
func (w *informerRequest) listed(s *member.Session) {
	w.informer.mu.Lock()
	defer w.informer.mu.Unlock()
	if w.informer.uid == "" || version(w.req) == "" {
		w.informer.uid = s.UID
	}
}

// wentBack tells whether the server's history ends before the version that a
// watch is to go on from, because it was restored from a backup. The watch would
// not tell: it is accepted and stays silent until there are as many versions
// again. A list of one object tells the version that the server has, and costs
// it next to nothing.
func (w *informerRequest) wentBack(ctx context.Context, f *flight) (bool, error) {
	q := w.req.URL.Query()
	from, err := strconv.ParseUint(version(w.req), 10, 64)
	if !w.watch || err != nil || q.Get("sendInitialEvents") == "true" {
		return false, nil
	}
	for _, name := range []string{"watch", "resourceVersion", "resourceVersionMatch", "allowWatchBookmarks", "timeoutSeconds"} {
		q.Del(name)
	}
	q.Set("limit", "1")
	req := w.req.Clone(ctx)
	req.URL.RawQuery = q.Encode()
	req.Header.Set("Accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json")
	resp, _, err := w.attempt(ctx, f, req)
	if _, ok := errors.AsType[refused](err); ok {
		return false, nil // the watch will tell what is wrong
	} else if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Metadata metav1.ListMeta `json:"metadata"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&list) != nil {
		return false, nil
	}
	has, err := strconv.ParseUint(list.Metadata.ResourceVersion, 10, 64)
	return err == nil && has < from, nil
}

// expired is the answer that makes an informer list anew: what is then missing
// it tells its handlers as deleted.
func expired(req *http.Request) *http.Response {
	body, _ := json.Marshal(metav1.Status{ // of strings and numbers
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure,
		Code:     http.StatusGone,
		Reason:   metav1.StatusReasonExpired,
		Message:  "these versions are of another history",
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
