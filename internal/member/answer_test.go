package member

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// answers is a server that gives one answer.
type answers func() *http.Response

func (a answers) RoundTrip(*http.Request) (*http.Response, error) { return a(), nil }

func answer(code int, contentType, body string) answers {
	return func() *http.Response {
		header := http.Header{}
		if contentType != "" {
			header.Set("Content-Type", contentType)
		}
		return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body))}
	}
}

// TestByKubernetes asks through client-go, which makes the errors.
func TestByKubernetes(t *testing.T) {
	status := func(code int) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"reason":"NotFound"}`, code)
	}
	for name, test := range map[string]struct {
		answer answers
		want   bool
	}{
		"a Status":            {answer(404, "application/json", status(404)), true},
		"another Status":      {answer(403, "application/json", status(403)), true},
		"a page":              {answer(404, "text/html", "<html>default backend</html>"), false},
		"a page as JSON":      {answer(403, "application/json", "<html>"), false},
		"other JSON":          {answer(404, "application/json", `{"message":"no Route matched"}`), false},
		"text":                {answer(404, "text/plain", "404 page not found"), false},
		"nothing":             {answer(401, "", ""), false},
		"a redirect":          {answer(302, "text/html", ""), false},
		"JSON that says well": {answer(404, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Success"}`), false},
	} {
		t.Run(name, func(t *testing.T) {
			config := &rest.Config{Host: "http://fake", QPS: -1}
			config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
			client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{
				Transport: test.answer, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Get().AbsPath("/x").MaxRetries(0).Stream(t.Context())
			if err == nil || ByKubernetes(err) != test.want {
				t.Errorf("streamed: by Kubernetes %t: %v", ByKubernetes(err), err)
			}
			err = client.Get().AbsPath("/x").MaxRetries(0).Do(t.Context()).Error()
			if err == nil || ByKubernetes(fmt.Errorf("read: %w", err)) != test.want {
				t.Errorf("read: by Kubernetes %t: %v", ByKubernetes(err), err)
			}
		})
	}
	if ByKubernetes(nil) || ByKubernetes(io.EOF) {
		t.Error("no answer is by Kubernetes")
	}
	if !ByKubernetes(apierrors.NewNotFound(schema.GroupResource{}, "x")) {
		t.Error("an error frame is not by Kubernetes")
	}
}

func TestAsAsked(t *testing.T) {
	const metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json"
	for _, test := range []struct {
		accept, contentType string
		code                int
		refused             bool
	}{
		{"application/json", "application/json", 200, false},
		{metadata, "application/json;charset=utf-8", 200, false},
		{metadata, "Application/JSON", 200, false},
		{"application/vnd.kubernetes.protobuf,application/json", "application/vnd.kubernetes.protobuf;stream=watch", 200, false},
		{"*/*", "text/plain", 200, false},
		{"", "text/html", 200, false},
		{"application/json", "", 200, false},
		{"application/json", "text/html", 404, false}, // said by the error that it becomes
		{"application/json", "text/html; charset=utf-8", 200, true},
		{"application/json", "text/plain", 200, true},
		{"application/json", "application/json, text/html", 200, true},
		{"application/json", "%", 200, true},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://fake", nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.accept != "" {
			req.Header.Set("Accept", test.accept)
		}
		resp, err := AsAsked(answer(test.code, test.contentType, "")).RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if errors.Is(err, ErrNotKubernetes) != test.refused {
			t.Errorf("%+v: %v", test, err)
		}
	}
}
