"""What people are called at a desk instead of their registered given name. Kept apart from the
matcher's own lexicon, and not made from it: some of these it does not know."""

from __future__ import annotations

from typing import Final

_LIST: Final = """
james jim jimmy jamie|robert bob rob bobby|john jack johnny|michael mike mick mikey|david dave
william bill will billy liam|richard rick dick rich|joseph joe joey|thomas tom tommy
christopher chris kit|charles charlie chuck|daniel dan danny|matthew matt|anthony tony
donald don|steven steve|andrew andy drew|joshua josh|kenneth ken kenny|timothy tim
ronald ron ronnie|edward ed ted eddie|jeffrey jeff|jacob jake|nicholas nick|jonathan jon
stephen steve|lawrence larry|benjamin ben benji|samuel sam|gregory greg|alexander alex sandy al
patrick pat paddy|frank frankie|raymond ray|gerald jerry|zachary zach|henry hank harry|walter walt
philip phil|vincent vince|russell russ|francis frank|eugene gene|albert al bert
mary molly polly|patricia pat patty trish|jennifer jen jenny|elizabeth liz beth betsy betty lisa
barbara barb|susan sue susie|jessica jess|sarah sally|karen kari|nancy nan|margaret maggie peggy meg
kimberly kim|michelle shelly|amanda mandy|melissa missy mel|deborah debbie deb|stephanie steph
dorothy dot dottie|rebecca becky|cynthia cindy|kathleen kathy kate|angela angie|pamela pam
nicole nikki|samantha sam|katherine kate kathy katie|christine chris tina|debra deb|rachel rach
catherine cathy cat|victoria vicky tori|virginia ginny|christina tina|judith judy|jacqueline jackie
theresa terry tess|abigail abby|natalie nat|danielle dani|charlotte lottie|penelope penny
jose pepe|francisco paco pancho|ignacio nacho|jesus chuy|guadalupe lupe|manuel manny|rafael rafa
enrique quique|eduardo lalo|alejandro alex|alejandra ale|roberto beto|alberto beto|guillermo memo
rosario chayo|dolores lola|concepcion concha|leticia lety|maria mari|isabella bella isa
mohammed mohamed muhammad mohd|ahmed ahmad|yousef yusuf|youssef yusuf|fatima fatma|hussein hussain
khalid khaled|aisha ayesha|mariam maryam|zainab zeinab|ibrahim ebrahim|abdullah abdallah
vikram vik|siddharth sid|lakshmi laxmi|deepak dipak|sanjay sanjai|krishna kris
katarzyna kasia|malgorzata gosia|krzysztof krzys|ekaterina katya|dmitri dima|alexei alyosha
mikhail misha|tatiana tanya|svetlana sveta|vladimir vova|oleksandr sasha|stanislaw staszek
margarethe grete|friedrich fritz|johanna hanna|wolfgang wolf|joao joao|antonio tonio tony
emmanuel emma|patience pat|babatunde tunde|olufemi femi
"""
NICKNAMES: Final = {
    words[0]: tuple(words[1:])
    for line in _LIST.splitlines()
    for entry in line.split("|")
    if len(words := entry.split()) > 1
}
