"""`make soak`: what honest users notice while hostile guests and a hostile model do their worst.

`__main__` starts everything, `honest` and `measurements` measure, `report` judges. The attacks are in `frame_attacks`,
`message_attacks` and `request_attacks`, with the texts of `bombs`; `model` and `agents` are the hostile model's part.
Everything stays on loopback, is bounded in time, and is ended by its id.
"""
