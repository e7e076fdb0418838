-- Applied versions that say something else by themselves at a moment: a period in them begins or ends.
CREATE INDEX versions_turn ON versions (source, next_try) WHERE fate = 'applied' AND next_try > 0;
