package interopv1

import "errors"

// Validate is what Kratos's validation middleware asks of a request.
func (r *ValidatedRequest) Validate() error {
	if len([]rune(r.GetName())) < 3 {
		return errors.New("name: value length must be at least 3 characters")
	}
	return nil
}
