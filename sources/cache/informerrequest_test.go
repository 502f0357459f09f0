package cache

import (
	"bytes"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// TestDecodeStatus: typed clients get refusals in protobuf.
func TestDecodeStatus(t *testing.T) {
	status := &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: http.StatusGatewayTimeout, Message: "not there yet",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge}}},
	}
	for name, encoder := range map[string]runtime.Encoder{
		"JSON":     json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, json.SerializerOptions{}),
		"protobuf": protobuf.NewSerializer(scheme.Scheme, scheme.Scheme),
	} {
		var body bytes.Buffer
		if err := encoder.Encode(status, &body); err != nil {
			t.Fatal(err)
		}
		got := decodeStatus(body.Bytes())
		if got.Message != status.Message || !tooLarge(got) {
			t.Errorf("%s: %+v", name, got)
		}
		if text := refusalError(504, got).Error(); text != "504 Gateway Timeout: not there yet" {
			t.Errorf("%s: %s", name, text)
		}
	}
	for _, body := range []string{"", "bad gateway", `{"kind":"Pod","apiVersion":"v1"}`, `{"kind":"Status"}`, "k8s\x00\xff"} {
		if got := decodeStatus([]byte(body)); got == nil || got.Message != "" || tooLarge(got) {
			t.Errorf("%q: %+v", body, got)
		}
	}
}
