package apistatus

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

func response(code int, body io.Reader, headers ...string) *http.Response {
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(body)}
}

// encodings are those that clients ask API servers for.
var encodings = map[string]runtime.Encoder{
	"JSON":     json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{}),
	"protobuf": protobuf.NewSerializer(scheme.Scheme, scheme.Scheme),
}

func TestErrorReadsAStatus(t *testing.T) {
	said := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: http.StatusGatewayTimeout, Message: "not there yet",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}},
	}
	for name, encoder := range encodings {
		var body bytes.Buffer
		if err := encoder.Encode(said, &body); err != nil {
			t.Fatal(err)
		}
		sent := body.String()
		resp := response(504, &body, "Retry-After", "7")
		err := Error(resp)
		if got := Of(err); got != (Answer{TooNew, 504, 7 * time.Second}) || err.Error() != "not there yet" {
			t.Errorf("%s: %+v: %v", name, got, err)
		}
		if left, err := io.ReadAll(resp.Body); err != nil || string(left) != sent {
			t.Errorf("%s: the body is %q afterwards: %v", name, left, err)
		}
	}
}

func TestErrorOfHostileAnswers(t *testing.T) {
	lie := func(code int) string {
		return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d}`, code)
	}
	for name, tt := range map[string]struct {
		code int
		body string
		want Meaning
	}{
		"no body":                   {503, "", Unavailable},
		"no body, 404":              {404, "", Foreign},
		"a page":                    {502, "<html>bad gateway", Unavailable},
		"another object":            {403, `{"kind":"Pod","apiVersion":"v1"}`, Foreign},
		"a Status without anything": {403, `{"kind":"Status","apiVersion":"v1"}`, Forbidden},
		"a Status of success":       {404, `{"kind":"Status","apiVersion":"v1","status":"Success"}`, Foreign},
		"broken protobuf":           {500, "k8s\x00\xff", Failing},
		"says 200 in a 503":         {503, lie(200), Unavailable},
		"says 404 in a 503":         {503, lie(404), Unavailable},
		"says 503 in a 404":         {404, lie(503), NotFound},
		"more than is read":         {403, `{"kind":"Status","apiVersion":"v1","message":"` + strings.Repeat("x", maxBody) + `"}`, Foreign},
	} {
		resp := response(tt.code, strings.NewReader(tt.body))
		if got := Of(Error(resp)); got.Meaning != tt.want || got.Code != tt.code {
			t.Errorf("%s: %+v, want %v", name, got, tt.want)
		}
		if left, err := io.ReadAll(resp.Body); err != nil || string(left) != tt.body {
			t.Errorf("%s: %d bytes are left of %d: %v", name, len(left), len(tt.body), err)
		}
	}
	broken := response(503, iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))))
	if got := Of(Error(broken)); got.Meaning != Unavailable {
		t.Errorf("a body that breaks: %+v", got)
	}
}

func TestRetryAfterOfAHead(t *testing.T) {
	for text, want := range map[string]int32{
		"": 0, "0": 0, "-5": 0, "17": 17, "300": 300, "301": 300, "4294967297": 300, "9223372036854775807": 300,
		"99999999999999999999999": 300, "-99999999999999999999999": 0, "soon": 0, "1.5": 0, "Fri, 31 Dec 1999 23:59:59 GMT": 0,
	} {
		resp := response(503, strings.NewReader(""), "Retry-After", text)
		if got := RetryAfter(resp.Header); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if got := Of(Error(resp)).RetryAfter; got != time.Duration(want)*time.Second {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzError: whatever is sent, the head wins, bounds hold, and nobody loses a byte.
func FuzzError(f *testing.F) {
	f.Add(503, "1", []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":404,"details":{"retryAfterSeconds":-1}}`))
	f.Add(404, "999999999999999999999", []byte("k8s\x00"))
	f.Add(400, "", []byte("<html>"))
	f.Fuzz(func(t *testing.T, code int, retryAfter string, body []byte) {
		if code < http.StatusBadRequest || code > 999 {
			t.Skip()
		}
		resp := response(code, bytes.NewReader(body), "Retry-After", retryAfter)
		got := Of(Error(resp))
		if got.Code != code || got.RetryAfter < 0 || got.RetryAfter > LongestRetryAfter {
			t.Errorf("%+v", got)
		}
		if left, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(left, body) {
			t.Errorf("the body is %q afterwards: %v", left, err)
		}
	})
}

// serves is a server that gives one answer.
type serves func() *http.Response

func (s serves) RoundTrip(*http.Request) (*http.Response, error) { return s(), nil }

// TestAsClientGoSaysIt holds Error, and what tells an API server's answer from
// another's, against the errors that client-go makes of the same answers.
func TestAsClientGoSaysIt(t *testing.T) {
	said := func(code int) string {
		return `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":` + strconv.Itoa(code) + `}`
	}
	for name, tt := range map[string]struct {
		code       int
		mediaType  string
		body       string
		kubernetes bool
	}{
		"a Status":            {404, "application/json", said(404), true},
		"another Status":      {403, "application/json", said(403), true},
		"a page":              {404, "text/html", "<html>default backend</html>", false},
		"a page as JSON":      {403, "application/json", "<html>", false},
		"other JSON":          {404, "application/json", `{"message":"no Route matched"}`, false},
		"text":                {404, "text/plain", "404 page not found", false},
		"nothing":             {401, "", "", false},
		"a redirect":          {302, "text/html", "", false},
		"JSON that says well": {404, "application/json", `{"kind":"Status","apiVersion":"v1","status":"Success"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer := func() *http.Response {
				return response(tt.code, strings.NewReader(tt.body), "Content-Type", tt.mediaType)
			}
			config := &rest.Config{Host: "http://fake", QPS: -1}
			config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
			client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{
				Transport: serves(answer), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			})
			if err != nil {
				t.Fatal(err)
			}
			_, streamed := client.Get().AbsPath("/x").MaxRetries(0).Stream(t.Context())
			read := client.Get().AbsPath("/x").MaxRetries(0).Do(t.Context()).Error()
			for _, err := range []error{streamed, fmt.Errorf("read: %w", read)} {
				if ByKubernetes(err) != tt.kubernetes {
					t.Errorf("by Kubernetes %t: %v", ByKubernetes(err), err)
				}
				if ours, theirs := Of(Error(answer())), Of(err); ours != theirs {
					t.Errorf("%+v, and client-go's error says %+v", ours, theirs)
				}
			}
		})
	}
}
