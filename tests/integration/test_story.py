# SPDX-License-Identifier: Apache-2.0
"""`make run`'s story in an instance of its own: the founding document's commands by the real clients, on real guests."""
import re

from story import Story
from test_agent import need_guests


def test_every_proof_of_the_story_holds(tmp_path):
    need_guests()
    for parent in list(tmp_path.parents)[:2]:
        parent.chmod(0o755)
    story = Story(tmp_path)
    try:
        code = story.play()
        print(story.said)
        held = re.search(r'(\d+) of (\d+) proofs held', story.said)
        assert held and held[1] == held[2] and code == 0
    finally:
        down = story.close()
        print(down.stdout)
    assert down.returncode == 0
