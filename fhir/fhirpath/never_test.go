package fhirpath

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAConditionThatAVariableRulesOutNeverHolds(t *testing.T) {
	values := map[string]string{"source": "link"}
	for src, never := range map[string]bool{
		"%source = 'create'": true, "'create' = %source": true, "%source = 'link'": false, "%source != 'link'": true, "%source != 'create'": false,
		"%source = 'create' and id.exists()": true, "id.exists() and (%source = 'create')": true, "%source = 'create' or id.exists()": false,
		"%source = 'create' or %source = 'replay'": true, "id = 'create'": false, "id.exists()": false, "%source": false,
		"%source = id": false, "(%source = 'create').not()": false,
	} {
		assert.Equal(t, never, compiled(t, src).Never(values), src)
	}
}
