package ctl

import (
	"context"
	"net/url"
	"os/user"
	"strings"
	"unicode/utf8"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
)

const (
	mostBy = 200      // bytes that a program takes as a name
	ofHub  = " (hub)" // follows a name that the hub's API server has told
)

// addBy says who asks: the user as whom the hub's API server knows this command, if it asks
// through that, else the user of the operating system. The program takes it for what it is
// told, and checks nothing.
func (c *Client) addBy(ctx context.Context, q url.Values) {
	if c.by == "" {
		c.by = c.whoAsks(ctx)
	}
	if c.by != "" {
		q.Set("by", c.by)
	}
}

func (c *Client) whoAsks(ctx context.Context) string {
	// If there is no way, the request itself tells why.
	if at, err := c.way(ctx); err == nil && at.pods != nil {
		if name, err := at.pods.whoAmI(ctx); err == nil && name != "" {
			return clipped(Visible(name), mostBy-len(ofHub)) + ofHub
		}
	}
	if u, err := user.Current(); err == nil {
		return clipped(u.Username, mostBy)
	}
	return ""
}

// whoAmI returns the name of the user as whom the API server knows this command. It is told to
// everybody who is authenticated, by servers from Kubernetes 1.28 on.
func (p *pods) whoAmI(ctx context.Context) (string, error) {
	client, err := authenticationclient.NewForConfig(p.config)
	if err != nil {
		return "", err
	}
	review, err := untilDone(ctx, p, func() (*authenticationv1.SelfSubjectReview, error) {
		return client.SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	})
	if err != nil {
		return "", err
	}
	return review.Status.UserInfo.Username, nil
}

// clipped returns the beginning of valid text, of at most so many bytes.
func clipped(s string, most int) string {
	s = strings.ToValidUTF8(s, "")
	for len(s) > most {
		_, last := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-last]
	}
	return s
}
