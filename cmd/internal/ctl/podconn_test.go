package ctl

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/streaming/pkg/httpstream"
)

// scripted is a connection whose streams say something, by their type, and end.
type scripted struct {
	httpstream.Connection
	said map[string]string
}

func (s scripted) CreateStream(h http.Header) (httpstream.Stream, error) {
	return &saying{Reader: strings.NewReader(s.said[h.Get(corev1.StreamType)])}, nil
}

func (s scripted) Close() error { return nil }

// saying is a stream that is not read any more once it is reset.
type saying struct {
	httpstream.Stream
	io.Reader
}

func (s *saying) Read(b []byte) (int, error) { return s.Reader.Read(b) }
func (s *saying) Close() error               { return nil }
func (s *saying) Reset() error {
	s.Reader = strings.NewReader("")
	return nil
}

// TestAnAnswerIsReadToItsEnd: kubelets also say something of a connection that has ended
// after an answer.
func TestAnAnswerIsReadToItsEnd(t *testing.T) {
	for answer, want := range map[string]string{"the answer": "", "": "The kubelet says: reset by peer"} {
		c, err := newPodConn(scripted{said: map[string]string{corev1.StreamTypeError: "reset by peer", corev1.StreamTypeData: answer}}, 8082)
		if err != nil {
			t.Fatal(err)
		}
		<-c.ended // the kubelet has said it before anything is read
		got, err := io.ReadAll(c)
		if string(got) != answer || (want == "") != (err == nil) || want != "" && (!errors.Is(err, errNoAnswer) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q is read, %v; want %q, %q", got, err, answer, want)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
