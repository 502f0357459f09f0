package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// mostReview bounds the answer to a review, in bytes. The rules of an administrator of a large
// cluster are about 50 KiB.
const mostReview = 1 << 20

// review sends a review of the authorization API, which changes nothing, and decodes the answer.
// One that is longer than mostReview is an error.
func review(ctx context.Context, s *member.Session, resource string, asked, answer any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return err
	}
	stream, err := s.Calls.Post().AbsPath("/apis/authorization.k8s.io/v1", resource).MaxRetries(0).
		SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").Body(body).Stream(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	said, err := io.ReadAll(io.LimitReader(stream, mostReview+1))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", resource, err)
	}
	if len(said) > mostReview {
		return fmt.Errorf("the answer of %s is longer than %d bytes", resource, mostReview)
	}
	if err := json.Unmarshal(said, answer); err != nil {
		return fmt.Errorf("the answer is none of %s", resource)
	}
	return nil
}
