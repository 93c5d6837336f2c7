// Turn the maps of all models and subjects into tables: scores, asymmetries, regressions.
process LATERALIZE {
    label 'small'

    input:
    path plan
    path truth // of a simulated data set only
    path scores, stageAs: 'scores/*'
    path masks, stageAs: 'masks/*'
    path isc, stageAs: 'isc/*'
    path rois, stageAs: 'rois/*'
    path ceilings, stageAs: 'ceilings/*' // split halves by run, each subject with the others
    path checks, stageAs: 'checks/*'
    path atlas, stageAs: 'atlas/*' // image and labels, or why there are none
    path published
    val code

    output:
    path 'tables/*', emit: tables
    path 'maps/*' // of each language, as NIfTI

    script:
    """
    lateralize.py --plan ${plan} --scores scores/*_scores.json --runs scores/*_runs.safetensors \\
        --masks masks/* ${isc ? '--isc isc/*' : ''} --rois rois/* \\
        ${truth ? "--truth ${truth}" : ''} --published ${published} \\
        ${ceilings ? '--ceilings ceilings/*' : ''} ${checks ? '--checks checks/*' : ''} \\
        ${atlas ? '--atlas atlas/*' : ''} --out tables --maps maps
    """

    stub:
    """
    mkdir tables maps
    touch tables/scores.tsv maps/lang-en_score.nii.gz
    """
}
